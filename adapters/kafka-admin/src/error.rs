//! What went wrong when a cluster was asked.

use std::fmt;
use std::time::Duration;

use kafka_protocol::ResponseError;

/// What was being done, where, and what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminError {
    /// What was being done.
    pub doing: String,
    /// The address that was asked.
    pub at: String,
    /// What went wrong.
    pub problem: Problem,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The caller's address is none.
    Address,
    /// No connection came about.
    Unreachable(String),
    /// No answer came in time.
    Silent(Duration),
    /// The other side ended the connection.
    Closed(String),
    /// What came back is no answer to what was asked.
    Garbled(String),
    /// The broker does not know this request, or only in versions that are too old.
    TooOld {
        /// The request's key.
        api_key: i16,
        /// The newest version that the broker speaks, if any.
        newest: Option<i16>,
        /// The oldest that we speak.
        wanted: i16,
    },
    /// The cluster refused.
    Refused {
        /// Kafka's error code.
        code: i16,
        /// What the cluster said of it.
        message: String,
    },
    /// None of several brokers could be asked.
    Nobody(Vec<AdminError>),
}

impl AdminError {
    pub(crate) fn new(doing: impl Into<String>, at: impl Into<String>, problem: Problem) -> Self {
        Self {
            doing: doing.into(),
            at: at.into(),
            problem,
        }
    }

    /// Whether another broker may do better: this one could not be talked to.
    pub(crate) const fn is_of_the_way(&self) -> bool {
        matches!(
            self.problem,
            Problem::Unreachable(_) | Problem::Silent(_) | Problem::Closed(_)
        )
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, at, problem } = self;
        match problem {
            Problem::Nobody(errors) => {
                write!(f, "{doing}: no broker of {at} could be asked")?;
                errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            _ => write!(f, "{doing} at {at}: {problem}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("that is no address; write HOST:PORT, several with commas between"),
            Self::Unreachable(why) => {
                write!(
                    f,
                    "{why}; is a broker running there? Start one, or give another address"
                )
            }
            Self::Silent(patience) => write!(
                f,
                "no answer within {} ms; is that a broker's plain listener (not TLS, not a controller), and is it alive?",
                patience.as_millis()
            ),
            Self::Closed(why) => write!(
                f,
                "the connection ended ({why}); the broker went down, or its listener wants TLS or SASL: give a plain one"
            ),
            Self::Garbled(why) => write!(
                f,
                "the answer makes no sense ({why}); is that a Kafka broker's listener?"
            ),
            Self::TooOld {
                api_key,
                newest: None,
                wanted,
            } => write!(
                f,
                "it does not know request {api_key}, which is needed in version {wanted} or newer; update the broker, or give one"
            ),
            Self::TooOld {
                api_key,
                newest: Some(newest),
                wanted,
            } => write!(
                f,
                "it speaks request {api_key} up to version {newest}, and {wanted} or newer is needed; update the broker"
            ),
            Self::Refused { code, message } => {
                let name =
                    ResponseError::try_from_code(*code).map_or_else(|| "unknown".into(), |error| error.to_string());
                write!(f, "refused with code {code} ({name})")?;
                if message.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {message}")
                }
            }
            Self::Nobody(errors) => errors.iter().try_for_each(|error| write!(f, "{error}; ")),
        }
    }
}

impl std::error::Error for AdminError {}
