//! What the agent runs with: the cluster's file, as this node reads it.

use pehra_cluster::Cluster;
use pehra_core::election;
use pehra_core::replication;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard;
use pehra_core::sleep::member::Config;
use pehra_power::Power;

/// The member's settings.
pub fn config(cluster: &Cluster, election: election::Config) -> Config {
    let me = election.me;
    let snapshot_every = cluster.sleep.as_ref().map_or(1000, |sleep| sleep.snapshot_every);
    let guard = cluster.guard(me.0).unwrap_or_else(|| {
        // A cluster without [sleep] is run by another protocol.
        guard::Config::new(me, election.voters, election.voters, guard::Timing::SERVERS)
    });
    Config {
        log: replication::Config::new(election),
        guard,
        snapshot_every,
    }
}

/// The table `[power]`, with this node's numbers in it: one file serves all nodes.
pub fn power(cluster: &Cluster, id: u16) -> Result<Power, String> {
    let path = &cluster.path;
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let broker = cluster.member(id).and_then(|member| member.broker.as_ref());
    let broker = broker.map(|broker| broker.id);
    let text = filled(&text, id, broker);
    let power = Power::from_toml(path, &text).map_err(|error| error.to_string());
    match (power, broker) {
        (Ok(power), _) => hold_together(cluster, power),
        // Who has no broker only wakes others, and needs no command for one.
        (Err(_), None) if !text.contains("[power") => Ok(Power::default()),
        (Err(error), _) => Err(error),
    }
}

/// What concerns both `[power]` and `[sleep]`.
fn hold_together(cluster: &Cluster, power: Power) -> Result<Power, String> {
    let gear = cluster.sleep.as_ref().map(|sleep| sleep.gear);
    if power.alarm_only && gear == Some(Gear::Watch) {
        return Err(format!(
            "{}: power.alarm-only: in gear \"watch\" writes wait until sleepers are up, and nobody could wake these before their alarm \
             clocks ring; write gear = \"lean\", or leave alarm-only out",
            cluster.path.display()
        ));
    }
    Ok(power)
}

/// `{id}` stands for the node's id, `{broker}` for its broker's. In the other tables neither is of use but in paths of certificates, which
/// are not read here.
fn filled(text: &str, id: u16, broker: Option<i32>) -> String {
    let text = text.replace("{id}", &id.to_string());
    match broker {
        Some(broker) => text.replace("{broker}", &broker.to_string()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn each_node_reads_its_own_numbers() {
        let text = "log = \"broker-{id}.log\"\ncommand = [\"kafka\", \"{broker}.properties\"]";
        let expected = "log = \"broker-3.log\"\ncommand = [\"kafka\", \"101.properties\"]";
        assert_eq!(filled(text, 3, Some(101)), expected);
        assert!(filled(text, 3, None).contains("{broker}"));
    }
}
