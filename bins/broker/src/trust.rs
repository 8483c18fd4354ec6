//! Who may command. Questions are everybody's; what moves the leadership is not.

use std::net::{IpAddr, SocketAddr};

use pehra_cluster::{Cluster, Commanders};
use pehra_core::types::NodeId;
use pehra_nng::Peer;
use pehra_nng::mesh::certificate_name;

/// Whom this node obeys.
#[derive(Clone, Debug)]
pub struct Trust {
    commanders: Commanders,
    /// The names that members' certificates carry; none without TLS.
    members: Option<Vec<String>>,
    /// This node's own address. Who comes from it is on this machine: the system takes no packet with it from outside.
    here: IpAddr,
}

impl Trust {
    pub fn new(cluster: &Cluster, here: SocketAddr) -> Self {
        let names = || {
            let members = cluster.members.iter();
            members.map(|member| certificate_name(NodeId(member.id))).collect()
        };
        Self {
            commanders: cluster.commanders,
            members: cluster.tls.is_some().then(names),
            here: here.ip().to_canonical(),
        }
    }

    /// Why this peer may not command, and what to do; none if it may.
    pub fn refusal(&self, peer: &Peer) -> Option<String> {
        if self.commanders == Commanders::Anybody {
            return None;
        }
        let Some(members) = &self.members else {
            let from = peer.address.ip().to_canonical();
            let is_here = from.is_loopback() || from == self.here;
            return (!is_here).then(|| {
                format!(
                    "commands come from {from}, and without certificates only those from the node's own machine are \
                     carried out: give the command there, or add [tls] or commands-from = \"anybody\" to the cluster's file"
                )
            });
        };
        let shown = peer.identity.as_deref();
        let is_member = shown.is_some_and(|name| members.iter().any(|member| member == name));
        (!is_member).then(|| {
            format!(
                "only who shows the certificate of a member may command, and this one is for {}: use the file of one, or \
                 add commands-from = \"anybody\" to the cluster's file",
                shown.unwrap_or("nobody")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TLS: &str = "[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\n";

    fn trust(cluster: &str, tail: &str) -> Trust {
        let text = format!(
            "[cluster]\nname = \"home\"\n{cluster}\n{tail}[[node]]\nid = 0\naddress = \"10.0.0.7:1\"\n[[node]]\nid = \
             3\naddress = \"10.0.0.8:1\"\n"
        );
        let cluster = Cluster::parse(Path::new("cluster.toml"), &text).expect("sound");
        Trust::new(&cluster, "10.0.0.7:1".parse().expect("an address"))
    }

    fn peer(ip: &str, name: Option<&str>) -> Peer {
        Peer {
            connection: 1,
            address: SocketAddr::new(ip.parse().expect("an address"), 4000),
            identity: name.map(str::to_owned),
        }
    }

    #[test]
    fn without_certificates_only_this_machine_commands() {
        let trust = trust("", "");
        for here in [
            "127.0.0.1",
            "127.3.2.1",
            "::1",
            "::ffff:127.0.0.1",
            "10.0.0.7",
            "::ffff:10.0.0.7",
        ] {
            assert_eq!(trust.refusal(&peer(here, None)), None, "{here}");
        }
        for elsewhere in ["10.0.0.8", "192.0.2.1", "::ffff:10.0.0.8", "fe80::1", "0.0.0.0"] {
            let reason = trust.refusal(&peer(elsewhere, None)).expect(elsewhere);
            assert!(
                reason.contains("own machine") && reason.contains("commands-from"),
                "{reason}"
            );
        }
    }

    #[test]
    fn with_certificates_only_members_command_wherever_they_are() {
        let trust = trust("", TLS);
        for member in ["node-0", "node-3"] {
            assert_eq!(trust.refusal(&peer("192.0.2.1", Some(member))), None, "{member}");
        }
        for other in [Some("node-1"), Some("node-03"), Some("meter-5"), Some(""), None] {
            let reason = trust.refusal(&peer("127.0.0.1", other)).expect("no member");
            assert!(reason.contains("certificate of a member"), "{reason}");
        }
    }

    #[test]
    fn the_file_may_let_anybody_command() {
        for tail in ["", TLS] {
            let trust = trust("commands-from = \"anybody\"", tail);
            assert_eq!(trust.refusal(&peer("192.0.2.1", Some("meter-5"))), None);
        }
    }
}
