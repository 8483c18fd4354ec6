//! The order of succession: the same on all nodes, and not to be foreseen without the cluster's key.

use hmac::{Hmac, KeyInit, Mac};
use pehra_cluster::Cluster;
use pehra_core::members::Order;
use pehra_core::types::{NodeId, Term};
use sha2::Sha256;

/// Sorts the voters of `cluster` by HMAC(key, term, id). Without a key the cluster's name takes its place, and then
/// anybody can work the order out.
pub fn order(cluster: &Cluster, term: Term) -> Order {
    let key = cluster.key.as_ref().map_or(cluster.name.as_bytes(), |key| key.bytes());
    let mut ranked: Vec<_> = cluster
        .voters()
        .map(|voter| (mac(key, term, voter.id), voter.id))
        .collect();
    ranked.sort_unstable();
    Order::new(ranked.into_iter().map(|(_, id)| NodeId(id)))
}

fn mac(key: &[u8], term: Term, id: u16) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(&term.0.to_be_bytes());
    mac.update(&id.to_be_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn cluster(key: &str) -> Cluster {
        let head = format!("[cluster]\nname = \"home\"\n{key}\n");
        let node = |id| format!("[[node]]\nid = {id}\naddress = \"h:{}\"\n", id + 1);
        let text = head + &(0..5).map(node).collect::<String>();
        Cluster::parse(Path::new("cluster.toml"), &text).expect("sound")
    }

    fn firsts(cluster: &Cluster) -> Vec<u16> {
        let first = |term| order(cluster, Term(term)).iter().next().map(|node| node.0);
        (0..200).filter_map(first).collect()
    }

    #[test]
    fn every_voter_is_first_about_equally_often() {
        let firsts = firsts(&cluster(""));
        for id in 0..5 {
            let times = firsts.iter().filter(|first| **first == id).count();
            assert!((20..=65).contains(&times), "{id} is first in {times} of 200 terms");
        }
    }

    #[test]
    fn all_nodes_find_the_same_order_and_another_key_finds_another() {
        let key = format!("key = \"{}\"", "0a".repeat(32));
        assert_eq!(firsts(&cluster(&key)), firsts(&cluster(&key)));
        assert_ne!(firsts(&cluster(&key)), firsts(&cluster("")));
        assert_eq!(order(&cluster(&key), Term(9)).iter().count(), 5);
    }

    /// RFC 4231, test case 2: the function is the well-known one.
    #[test]
    fn the_mac_is_hmac_sha256() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").expect("any length");
        mac.update(b"what do ya want for nothing?");
        let hex: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(
            hex.starts_with("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            "{hex}"
        );
    }
}
