//! Real or simulated.

use pehra_kafka_local::{INSTALL, Jars, Lacking};

use super::Options;

/// The first words of a real cluster.
pub const REAL: &str =
    "REAL: three Kafka brokers and three controllers on this machine, and Pehra's agents beside the brokers";

/// What will be shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    Real {
        /// Kafka is not here yet.
        fetch: bool,
    },
    /// And why.
    Simulated(String),
}

pub fn choose(options: &Options) -> Result<Choice, String> {
    if options.simulated {
        return Ok(Choice::Simulated("asked for with --simulated".into()));
    }
    decide(Jars::lacking(), options.real)
}

fn decide(lacking: Option<Lacking>, only_real: bool) -> Result<Choice, String> {
    let why = match lacking {
        None => return Ok(Choice::Real { fetch: false }),
        Some(Lacking::Jars) => return Ok(Choice::Real { fetch: true }),
        Some(Lacking::Java) => "there is no Java here".into(),
        Some(Lacking::NewerJava(major)) => format!("Java {major} is here, and Kafka needs a newer one"),
        Some(Lacking::Maven) => "Kafka has not been fetched, and there is no Maven to fetch it with".into(),
    };
    if only_real {
        return Err(format!("--real: {why}; {INSTALL} brings what is missing"));
    }
    Ok(Choice::Simulated(format!(
        "{why}; after {INSTALL} you see real brokers"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_how_to_get_it() {
        assert_eq!(decide(None, false), Ok(Choice::Real { fetch: false }));
        assert_eq!(decide(Some(Lacking::Jars), true), Ok(Choice::Real { fetch: true }));
        for lacking in [Lacking::Java, Lacking::NewerJava(11), Lacking::Maven] {
            let simulated = decide(Some(lacking), false);
            assert!(
                matches!(&simulated, Ok(Choice::Simulated(why)) if why.contains(INSTALL)),
                "{simulated:?}"
            );
            let refused = decide(Some(lacking), true);
            assert!(refused.as_ref().is_err_and(|why| why.contains(INSTALL)), "{refused:?}");
        }
    }
}
