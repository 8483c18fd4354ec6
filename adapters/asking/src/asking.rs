//! Asks the nodes of a cluster, all of them at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pehra_cluster::ask::{Ask, Lead, Leader, Reply, Unknown};
use pehra_cluster::signed::{AdminSecret, Scope};
use pehra_cluster::{Cluster, Member};
use pehra_core::members::NodeSet;
use pehra_core::types::NodeId;
use pehra_nng::{Endpoint, Options, RequestError, Requester, Tls};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::View;

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// The least that a node is given to answer.
const ANSWER_MIN: Duration = Duration::from_millis(500);

/// Connections to all nodes of a cluster. They are made again by themselves.
pub struct Asking {
    nodes: Vec<Line>,
    /// The voters that it takes.
    majority: usize,
    voters: NodeSet,
    /// The cluster's name and number.
    named: (String, u32),
    /// What orders are signed with; none if they are not.
    secret: Option<AdminSecret>,
    /// When the last order was signed, in milliseconds of Unix time.
    signed_ms: AtomicU64,
}

/// A connection to one node.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) member: Member,
    requester: Requester,
    /// The last that was heard of the connection: none yet, it stands, or why not.
    state: watch::Receiver<Option<Result<(), String>>>,
    deadline: Duration,
}

impl Asking {
    /// Begins to connect. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// An address that nothing can listen at, or certificates that cannot be read.
    pub fn new(cluster: &Cluster) -> Result<Self, String> {
        let tls = cluster.tls.as_ref().map(|files| {
            // Whoever may start a node may ask the nodes: the certificate of any local one will do.
            let own = cluster
                .members
                .iter()
                .map(|member| files.of(member.id))
                .find(|own| own.key.exists());
            let own = own.unwrap_or_else(|| files.clone());
            Tls {
                ca: Some(own.ca),
                cert: Some(own.cert),
                key: Some(own.key),
            }
        });
        let election = Duration::from_millis(cluster.timing.election.0.into());
        let mut nodes = Vec::new();
        for member in &cluster.members {
            let scheme = if tls.is_some() { "tls+tcp" } else { "tcp" };
            let endpoint: Endpoint = format!("{scheme}://{}", member.address)
                .parse()
                .map_err(|error| format!("node {}: {error}", member.id))?;
            let options = Options {
                connect_timeout: CONNECT_MAX,
                reconnect_min: Duration::from_millis(20),
                reconnect_max: Duration::from_millis(200),
                tls: tls.clone(),
                ..Options::default()
            };
            let (requester, mut links) = Requester::connect(&endpoint, options).map_err(|error| error.to_string())?;
            let (tell, state) = watch::channel(None);
            let prefix = format!("{endpoint}: ");
            tokio::spawn(async move {
                while let Some(link) = links.recv().await {
                    let now = match link {
                        pehra_nng::LinkEvent::Up { .. } => Ok(()),
                        // The address stands beside it wherever this is shown.
                        pehra_nng::LinkEvent::Down { why } => {
                            Err(why.strip_prefix(&prefix).map(str::to_owned).unwrap_or(why))
                        }
                    };
                    tell.send_replace(Some(now));
                }
            });
            nodes.push(Line {
                member: member.clone(),
                requester,
                state,
                // The node itself gives up on a question after three election timeouts.
                deadline: (election * 4).max(ANSWER_MIN),
            });
        }
        Ok(Self {
            nodes,
            majority: cluster.majority(),
            voters: cluster.voters().map(|voter| NodeId(voter.id)).collect(),
            named: (cluster.name.clone(), cluster.number),
            secret: None,
            signed_ms: AtomicU64::new(0),
        })
    }

    /// Signs what needs a signature with this key.
    #[must_use]
    pub fn signing(mut self, secret: Option<AdminSecret>) -> Self {
        self.secret = secret;
        self
    }

    /// The body of a request to this node. A node takes each signed order once, so no two are signed at the same time.
    fn body(&self, node: u16, ask: &Ask) -> Vec<u8> {
        let Some(secret) = self.secret.as_ref().filter(|_| ask.needs_signature()) else {
            return ask.write();
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let last = self.signed_ms.load(Ordering::Relaxed);
        let at_ms = now.max(last.saturating_add(1));
        self.signed_ms.store(at_ms, Ordering::Relaxed);
        let (cluster, number) = self.named.clone();
        secret.sign(&Scope { cluster, number, node }, ask, at_ms)
    }

    /// Asks one node.
    ///
    /// # Errors
    /// There is no such node, or why it does not answer.
    pub async fn ask(&self, id: u16, ask: &Ask) -> Result<Reply, String> {
        let line = self.nodes.iter().find(|line| line.member.id == id);
        let line = line.ok_or_else(|| format!("there is no node {id}"))?.clone();
        let (deadline, address) = (line.deadline, line.member.address.to_string());
        let reply = line.ask(self.body(id, ask), deadline).await;
        reply.map_err(|why| format!("node {id} at {address} does not answer: {why}"))
    }

    /// Asks all nodes; the answers are in the order of the ids.
    pub async fn everybody(&self, ask: &Ask) -> Vec<(Member, Result<Reply, String>)> {
        self.ask_all(ask, |line| line.deadline).await
    }

    /// Asks all nodes, each with its own deadline; the answers are in the order of the ids.
    async fn ask_all(&self, ask: &Ask, deadline: impl Fn(&Line) -> Duration) -> Vec<(Member, Result<Reply, String>)> {
        let mut asked = JoinSet::new();
        for line in self.nodes.iter().cloned() {
            let (body, deadline) = (self.body(line.member.id, ask), deadline(&line));
            asked.spawn(async move { (line.member.clone(), line.ask(body, deadline).await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(member, _)| member.id);
        answers
    }

    /// What each node says of itself.
    pub async fn views(&self) -> Vec<View> {
        let answers = self.ask_all(&Ask::Status, |_| ANSWER_MIN).await;
        answers.into_iter().map(|(member, reply)| view(member, reply)).collect()
    }

    /// The connections, to be asked one by one.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.nodes.clone()
    }

    /// The leader, confirmed by a majority after this question.
    ///
    /// # Errors
    /// Why nobody is known to lead.
    pub async fn leader(&self) -> Result<Leader, String> {
        let answers = self.ask_all(&Ask::Leader, |line| line.deadline).await;
        let silent = answers.iter().filter(|(_, reply)| reply.is_err()).count();
        let mut best: Option<Leader> = None;
        let mut reasons = Vec::new();
        for (member, reply) in &answers {
            match reply {
                // Of two answers the one with the higher number is younger.
                Ok(Reply::Leader(Lead::Known(leader))) => {
                    if best.as_ref().is_none_or(|best| best.fencing < leader.fencing) {
                        best = Some(leader.clone());
                    }
                }
                Ok(Reply::Leader(Lead::Unknown(Unknown { reason, .. }))) => reasons.push(reason.clone()),
                Ok(Reply::Error(trouble)) => reasons.push(format!("node {}: {trouble}", member.id)),
                Ok(_) | Err(_) => {}
            }
        }
        best.ok_or_else(|| {
            let heard = |(member, reply): &&(Member, Result<Reply, String>)| {
                reply.is_ok() && self.voters.contains(NodeId(member.id))
            };
            let voters = answers.iter().filter(heard).count();
            if silent == answers.len() {
                "no node answers".into()
            } else if voters < self.majority {
                let all = self.voters.iter().count();
                format!("{voters} of {all} voters answer, and it takes {}", self.majority)
            } else if silent > 0 {
                format!(
                    "{}; {silent} of {} nodes do not answer",
                    reasons.join("; "),
                    answers.len()
                )
            } else {
                reasons.join("; ")
            }
        })
    }
}

fn view(member: Member, reply: Result<Reply, String>) -> View {
    let status = reply.and_then(|reply| match reply {
        Reply::Status(status) => Ok(*status),
        Reply::Error(trouble) => Err(trouble.to_string()),
        Reply::Leader(_)
        | Reply::Done(_)
        | Reply::Appended(_)
        | Reply::Entries(_)
        | Reply::SelfChecked(_)
        | Reply::Refused(_) => Err("answered another question".into()),
    });
    View { member, status }
}

impl Line {
    /// What the node says of itself.
    pub(crate) async fn view(&self) -> View {
        let reply = self.clone().ask(Ask::Status.write(), ANSWER_MIN).await;
        view(self.member.clone(), reply)
    }

    async fn ask(mut self, body: Vec<u8>, deadline: Duration) -> Result<Reply, String> {
        let until = Instant::now() + deadline;
        // Only the first time: later a connection that is down is an answer.
        let first = tokio::time::timeout(CONNECT_MAX, self.state.wait_for(Option::is_some)).await;
        if let Some(Err(why)) = first.ok().and_then(Result::ok).and_then(|state| state.clone()) {
            return Err(why);
        }
        let left = until.saturating_duration_since(Instant::now()).max(ANSWER_MIN);
        let reply = self.requester.request(body.into(), left).await;
        match reply {
            Ok(body) if body.is_empty() => Err("it did not answer the question".into()),
            Ok(body) => Reply::read(&body).map_err(|error| error.to_string()),
            Err(RequestError::LinkDown) => Err("no connection".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}
