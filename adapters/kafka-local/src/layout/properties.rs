//! The properties of a node.

use std::fmt::Write as _;
use std::path::Path;

use super::{Options, Place, is_controller};

/// The same for every node.
const COMMON: &str = "offsets.topic.num.partitions=3
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.partitions=3
# A killed node may come back after this, not after nine seconds.
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=500
num.network.threads=1
num.io.threads=2
# The default of 128 MiB does not fit into a small heap.
log.cleaner.dedupe.buffer.size=2097152
";

/// Of a node with its data there.
pub fn of_node(id: u16, place: &Place, data: &Path, controllers: &[String], options: &Options) -> String {
    let replication = options.brokers.clamp(1, 3);
    let in_sync = (replication - 1).max(1);
    let mut text = format!(
        "node.id={id}
controller.quorum.bootstrap.servers={}
controller.listener.names=CONTROLLER
log.dirs={}
default.replication.factor={replication}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replication}
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={replication}
share.coordinator.state.topic.min.isr={in_sync}
{COMMON}",
        controllers.join(","),
        data.display()
    );
    let (own, inner) = (place.address(), place.inner());
    text.push_str(&if is_controller(id) {
        format!("process.roles=controller\nlisteners=CONTROLLER://{own}\n")
    } else {
        format!("process.roles=broker\nlisteners=PLAINTEXT://{own}\ninter.broker.listener.name=PLAINTEXT\n")
    });
    let nth = usize::from(id.saturating_sub(1));
    let mut line = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    // Of two lines with one name the later one counts.
    if let Some(advertised) = options.advertised.get(nth).filter(|_| !is_controller(id)) {
        line(&format!("listeners=PLAINTEXT://{own},CLIENT://{inner}"));
        line(&format!("advertised.listeners=PLAINTEXT://{own},CLIENT://{advertised}"));
        line("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT");
    }
    if let Some(rack) = options.racks.get(nth) {
        line(&format!("broker.rack={rack}"));
    }
    for (name, value) in &options.settings {
        line(&format!("{name}={value}"));
    }
    text
}
