//! Asks a cluster, whichever of its brokers can be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::protocol::Request;

use crate::connection::Connection;
use crate::error::{AdminError, Problem};

/// How long things may take, and how large they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection to come about.
    pub connect: Duration,
    /// From a request to its whole answer.
    pub request: Duration,
    /// The longest answer, in bytes.
    pub frame_max: usize,
}

impl Default for Limits {
    /// 3 s, 10 s, 8 MiB: a cluster's largest answer here has some 100 bytes for each of 2,000 partitions.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            request: Duration::from_secs(10),
            frame_max: 8 << 20,
        }
    }
}

/// A client that asks a cluster about itself.
///
/// A call that is given up before it ends costs its connection, nothing else.
#[derive(Debug)]
pub struct Admin {
    pub(crate) bootstrap: Vec<String>,
    limits: Limits,
    /// Connections that nobody uses at the moment, by address.
    idle: BTreeMap<String, Connection>,
    /// Where brokers listen, from the last answer that said it.
    pub(crate) addresses: BTreeMap<i32, String>,
    /// Whose word the last reading was.
    pub(crate) read_at: Option<String>,
}

impl Admin {
    /// Connects to the first of these brokers (`host:port`, several with commas between) that can be reached.
    ///
    /// # Errors
    /// If that is no address, or none can be reached.
    pub async fn connect(bootstrap: &str, limits: Limits) -> Result<Self, AdminError> {
        let addresses: Vec<String> = bootstrap.split(',').map(|it| it.trim().to_owned()).collect();
        if let Some(wrong) = addresses.iter().find(|address| !is_address(address)) {
            return Err(AdminError::new("connecting", format!("'{wrong}'"), Problem::Address));
        }
        let mut admin = Self::of(addresses, limits);
        let connection = admin.any().await?;
        admin.put_back(connection);
        Ok(admin)
    }

    const fn of(bootstrap: Vec<String>, limits: Limits) -> Self {
        Self {
            bootstrap,
            limits,
            idle: BTreeMap::new(),
            addresses: BTreeMap::new(),
            read_at: None,
        }
    }

    /// The address of the broker whose word the last reading was. Whoever makes a client for each reading names it first in the next one:
    /// a broker that is cut off costs its deadline then only once.
    #[must_use]
    pub fn read_at(&self) -> Option<&str> {
        self.read_at.as_deref()
    }

    /// A client for each broker that is known, in the order in which they are to be asked, who asks nobody else. Whoever could be read last
    /// is asked first.
    pub(crate) fn each_alone(&self) -> Vec<Self> {
        let mut known = self.known();
        known.sort_by_key(|address| Some(address) != self.read_at.as_ref());
        let known = known.into_iter();
        known.map(|address| Self::of(vec![address], self.limits)).collect()
    }

    /// The level of one of the cluster's features; 0 if it is off or unknown.
    pub(crate) async fn feature(&mut self, name: &str) -> Result<i16, AdminError> {
        // Asked anew, as a connection only knows what held when it came about.
        self.idle.clear();
        let connection = self.any().await?;
        let level = connection.features.get(name).copied().unwrap_or(0);
        self.put_back(connection);
        Ok(level)
    }

    /// Asks any broker something that may be asked twice: if one does not answer, the next is asked.
    pub(crate) async fn ask<R: Request>(
        &mut self,
        doing: &str,
        request: &R,
        from: i16,
    ) -> Result<R::Response, AdminError> {
        let (mut errors, mut silent) = (Vec::new(), BTreeSet::new());
        loop {
            let idle = self.idle.pop_first();
            let was_idle = idle.is_some();
            let opened = match idle {
                Some((_, connection)) => Ok(connection),
                None => self.open(&silent).await,
            };
            let mut connection = match opened {
                Ok(connection) => connection,
                Err(unreachable) => {
                    errors.extend(unreachable);
                    return Err(self.nobody(doing, errors));
                }
            };
            match connection.ask(doing, request, from).await {
                Ok(response) => {
                    self.put_back(connection);
                    return Ok(response);
                }
                Err(error) if error.is_of_the_way() => {
                    // One that was idle for long may have been closed, which says nothing of its broker.
                    if !(was_idle && matches!(error.problem, Problem::Closed(_))) {
                        silent.insert(connection.at().to_owned());
                    }
                    errors.push(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks any broker for a change, once: an answer that got lost leaves open whether it was made.
    pub(crate) async fn ask_once<R: Request>(
        &mut self,
        doing: &str,
        request: &R,
        from: i16,
    ) -> Result<R::Response, AdminError> {
        // A connection that came about just now: an old one may be closed, and then nobody knows what arrived.
        self.idle.clear();
        let mut connection = self.any().await?;
        let response = connection.ask(doing, request, from).await?;
        self.put_back(connection);
        Ok(response)
    }

    /// Asks this one broker.
    pub(crate) async fn ask_broker<R: Request>(
        &mut self,
        broker: i32,
        doing: &str,
        request: &R,
    ) -> Result<R::Response, AdminError> {
        let Some(address) = self.addresses.get(&broker).cloned() else {
            let why = "its address is not known".to_owned();
            return Err(AdminError::new(
                doing,
                format!("broker {broker}"),
                Problem::Unreachable(why),
            ));
        };
        if let Some(mut idle) = self.idle.remove(&address)
            && let Ok(response) = idle.ask(doing, request, 0).await
        {
            self.put_back(idle);
            return Ok(response);
        }
        let mut connection = Connection::open(&address, self.limits).await?;
        let response = connection.ask(doing, request, 0).await?;
        self.put_back(connection);
        Ok(response)
    }

    /// A connection to whoever can be reached: an idle one, or a new one.
    async fn any(&mut self) -> Result<Connection, AdminError> {
        if let Some((_, connection)) = self.idle.pop_first() {
            return Ok(connection);
        }
        let opened = self.open(&BTreeSet::new()).await;
        opened.map_err(|errors| self.nobody("connecting", errors))
    }

    /// A new connection to the first who can be reached and is none of these.
    async fn open(&self, but: &BTreeSet<String>) -> Result<Connection, Vec<AdminError>> {
        let mut errors = Vec::new();
        for address in self.known().iter().filter(|address| !but.contains(*address)) {
            match Connection::open(address, self.limits).await {
                Ok(connection) => return Ok(connection),
                Err(error) => errors.push(error),
            }
        }
        Err(errors)
    }

    /// Where brokers are: where we were told to go first, then those that the cluster named.
    fn known(&self) -> Vec<String> {
        let named = self.addresses.values();
        let named = named.filter(|address| !self.bootstrap.contains(*address));
        self.bootstrap.iter().chain(named).cloned().collect()
    }

    /// Why none of them could be asked.
    pub(crate) fn nobody(&self, doing: &str, mut errors: Vec<AdminError>) -> AdminError {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => {
                errors.extend(last);
                AdminError::new(doing, self.whole(), Problem::Nobody(errors))
            }
        }
    }

    /// How the whole cluster is called in errors.
    pub(crate) fn whole(&self) -> String {
        self.bootstrap.join(",")
    }

    fn put_back(&mut self, connection: Connection) {
        self.idle.insert(connection.at().to_owned(), connection);
    }
}

/// Whether this looks like `host:port`.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}
