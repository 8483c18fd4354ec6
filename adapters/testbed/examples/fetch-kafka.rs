//! Fetches the jars of the tests' Kafka once, so that no test has to wait for the network.

fn main() {
    println!("{}", pehra_testbed::kafka::Kafka::fetch().display());
}
