//! Fetches Kafka's jars once, so that no test has to wait for the network, and says where they are.

use pehra_kafka_local::{Archive, Error, Jars};

fn main() -> Result<(), Error> {
    let jars = Jars::fetch()?;
    println!("{}", jars.folder().display());
    match jars.archive() {
        Archive::There(path) => println!("{}: Kafka's classes, so that it starts with less work", path.display()),
        Archive::None(why) => println!("WITHOUT an archive of its classes, so Kafka takes more work to start:\n{why}"),
    }
    Ok(())
}
