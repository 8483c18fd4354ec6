//! Reads the Kafka cluster for the member: what must stay awake, and who might sleep.

use std::sync::Arc;
use std::time::Duration;

use pehra_core::members::NodeSet;
use pehra_core::sleep::cover::View;
use pehra_core::sleep::coverage::{Gear, Obstacle, Presence, Rules, Topology, assess};
use pehra_core::sleep::guard::Order;
use pehra_core::types::NodeId;
use pehra_kafka_admin::{Admin, Limits, Numbered};

use super::Agent;

/// Numbers from here on are no members'.
const STRANGERS: u16 = 64;

/// How long the cluster may take to answer. A member that cannot see relies on nothing.
pub(super) const LIMITS: Limits = Limits {
    connect: Duration::from_secs(1),
    request: Duration::from_secs(5),
    frame_max: 8 << 20,
};

/// Reads the cluster, and answers the member.
pub(super) async fn look(agent: Arc<Agent>, gear: Gear, awake: NodeSet) {
    let read = read(&agent, gear, awake).await;
    let order = match read {
        Ok((view, why)) => {
            agent.saw(why);
            Order::View(view)
        }
        Err(error) => {
            agent.saw(Some(format!("the cluster cannot be read: {error}")));
            Order::Blind
        }
    };
    agent.order(order).await;
}

/// These addresses with commas between, the lowest rank first, and among equals the one that could be read last.
pub(super) fn in_order(mut ranked: Vec<(u8, String)>, read_at: Option<&str>) -> String {
    ranked.sort_by(|(rank, address), (other_rank, other)| {
        let is_other = |address: &str| Some(address) != read_at;
        (rank, is_other(address), address).cmp(&(other_rank, is_other(other), other))
    });
    let addresses: Vec<String> = ranked.into_iter().map(|(_, address)| address).collect();
    addresses.join(",")
}

/// A view, and what is wrong with the cluster, in words.
async fn read(agent: &Arc<Agent>, gear: Gear, awake: NodeSet) -> Result<(View, Option<String>), String> {
    let mut admin = Admin::connect(&agent.kafka(awake), LIMITS)
        .await
        .map_err(|error| error.to_string())?;
    let view = admin.view().await.map_err(|error| error.to_string())?;
    agent.read_at(admin.read_at());
    let agent = Arc::clone(agent);
    // The search for the largest set of sleepers may take a while.
    let worked = tokio::task::spawn_blocking(move || {
        let numbered = view.numbered(&Default::default())?;
        let up = |id: i32| view.brokers.iter().any(|broker| broker.id == id && !broker.is_fenced);
        let topology = topology(&agent, &numbered, awake, up);
        let rules = agent.rules(gear);
        let seen = View::of(&topology, &rules, NodeSet::only(NodeId(agent.me())));
        let wrong = (!seen.healthy).then(|| wrong(&topology, &rules)).flatten();
        let wrong = wrong.map(|obstacle| words(&view, &numbered, obstacle));
        Ok((seen, wrong))
    });
    worked
        .await
        .unwrap_or_else(|error| Err(format!("its reading could not be worked on: {error}")))
}

/// The first thing that keeps all awake and is no wish of ours.
fn wrong(topology: &Topology, rules: &Rules) -> Option<Obstacle> {
    let obstacles = assess(topology, rules).obstacles;
    obstacles.into_iter().find(|obstacle| *obstacle != Obstacle::Full)
}

/// The reading in the members' numbers. Whoever is not said to be awake is taken to be asleep, whatever Kafka says of it: nobody may
/// rely on a broker that may be on its way down.
fn topology(agent: &Agent, numbered: &Numbered, awake: NodeSet, up: impl Fn(i32) -> bool) -> Topology {
    let number = |node: NodeId| {
        let member = numbered.id(node).and_then(|id| agent.member_of(id));
        member.unwrap_or(NodeId(node.0.saturating_add(STRANGERS)))
    };
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| number(*node)).collect::<Vec<_>>();
    let mut topology = numbered.topology.clone();
    for broker in &mut topology.brokers {
        let is_up = numbered.id(broker.id).is_some_and(&up);
        broker.id = number(broker.id);
        let counts = broker.id.0 >= STRANGERS || awake.contains(broker.id);
        broker.presence = match (counts, is_up) {
            (true, true) => Presence::Awake,
            (true, false) => Presence::Down,
            (false, _) => Presence::Asleep,
        };
    }
    for partition in &mut topology.partitions {
        partition.leader = partition.leader.map(number);
        partition.replicas = numbers(&partition.replicas);
        partition.in_sync = numbers(&partition.in_sync);
        partition.eligible = numbers(&partition.eligible);
    }
    topology.controllers.voters = numbers(&topology.controllers.voters);
    topology.controllers.awake = numbers(&topology.controllers.awake);
    topology
}

fn words(view: &pehra_kafka_admin::View, numbered: &Numbered, obstacle: Obstacle) -> String {
    let partition = |place: usize| {
        let found = numbered.partition(place).and_then(|(topic, at)| {
            let topic = view.topics.get(topic)?;
            Some(format!("{}-{}", topic.name, topic.partitions.get(at)?.partition))
        });
        found.unwrap_or_default()
    };
    match obstacle {
        Obstacle::Full => "the gear is full".into(),
        Obstacle::NoLeader { partition: at } => format!("{} has no leader", partition(at)),
        Obstacle::OutOfSync { partition: at, replica } => {
            format!("{} has a copy on node {} that is out of sync", partition(at), replica.0)
        }
        Obstacle::Moving { partition: at } => format!("copies of {} are being moved", partition(at)),
        Obstacle::UncleanElection { topic } => {
            let topic = usize::try_from(topic).ok().and_then(|at| view.topics.get(at));
            let name = topic.map_or("a topic", |topic| topic.name.as_str());
            format!("{name} allows unclean elections: set unclean.leader.election.enable=false")
        }
        Obstacle::FewControllers { awake, need } => {
            format!("{awake} of Kafka's controllers are up, and {need} have to be")
        }
        Obstacle::NoEligibleLeaders => {
            "gear watch needs eligible leader replicas: kafka-features.sh upgrade --feature eligible.leader.replicas.version=1"
                .into()
        }
    }
}

/// Waits until the broker is up, and in sync in all its partitions.
///
/// The broker itself is asked: others take one that was killed for up until its session ends, though another process has its
/// place by now. It answers only once it has registered anew and has caught up with that, so what it says is not of its last life.
pub(super) async fn in_sync(agent: &Agent, id: i32, every: Duration) {
    let itself = agent.itself();
    loop {
        if let Ok(mut admin) = Admin::connect(&itself, LIMITS).await
            && let Ok(view) = admin.view().await
            && is_in_sync(&view, id)
        {
            return;
        }
        tokio::time::sleep(every).await;
    }
}

fn is_in_sync(view: &pehra_kafka_admin::View, id: i32) -> bool {
    let is_up = view.brokers.iter().any(|broker| broker.id == id && !broker.is_fenced);
    let mut partitions = view.topics.iter().flat_map(|topic| &topic.partitions);
    is_up && partitions.all(|partition| !partition.replicas.contains(&id) || partition.in_sync.contains(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_could_be_read_last_is_asked_first_among_equals() {
        let ranked = [(3, "asleep:1"), (0, "b:1"), (1, "own:1"), (0, "a:1"), (0, "c:1")];
        let order = |read_at| {
            let ranked = ranked.map(|(rank, address)| (rank, address.to_owned()));
            in_order(ranked.to_vec(), read_at)
        };
        assert_eq!(order(None), "a:1,b:1,c:1,own:1,asleep:1");
        assert_eq!(order(Some("c:1")), "c:1,a:1,b:1,own:1,asleep:1");
        // Its own broker may be behind, and one that sleeps does not answer.
        assert_eq!(order(Some("own:1")), order(None));
        assert_eq!(order(Some("asleep:1")), order(None));
        assert_eq!(order(Some("gone:1")), order(None));
    }
}
