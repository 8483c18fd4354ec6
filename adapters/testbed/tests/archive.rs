//! Java starts Kafka's programs with their classes as it has read them once.

use pehra_kafka_local::{Archive, Jars};

#[test]
fn java_takes_kafkas_classes_from_the_archive() {
    let jars = Jars::fetch().unwrap_or_else(|error| panic!("{error}"));
    let archive = jars.archive();
    assert!(
        matches!(archive, Archive::There(_)),
        "this Java makes none: {archive:?}"
    );
    // What it says of itself is switched off otherwise, and its last word on that counts.
    let output = jars
        .java()
        .args(["-Xlog:class+load=info:stdout", "kafka.tools.StorageTool", "random-uuid"])
        .output()
        .expect("Java runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    // As opposed to `source: file:…/kafka-clients.jar`.
    let archived = |line: &&str| line.contains(" org.apache.kafka.") && line.contains("shared objects file (top)");
    assert!(
        said.lines().filter(archived).count() > 10,
        "Java passes over it; remove it, and it is made anew: {archive:?}"
    );
}
