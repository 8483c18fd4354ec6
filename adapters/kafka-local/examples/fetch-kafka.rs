//! Fetches Kafka's jars once, so that no test has to wait for the network, and says where they are.

use pehra_kafka_local::{Error, Jars};

fn main() -> Result<(), Error> {
    println!("{}", Jars::fetch()?.folder().display());
    Ok(())
}
