//! Open questions of clients, and how each of them ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pehra_cluster::Cluster;
use pehra_cluster::ask::{Ask, Done, Lead, Leader, Refused, Reply, Trouble, TroubleKind, Unknown};
use pehra_core::election::{Refusal, Why};
use pehra_core::types::{NodeId, RequestId, Term};
use pehra_nng::Answer;

use crate::board::Board;

/// Questions that are open at the most.
const OPEN_MAX: usize = 1024;

/// The desk where clients wait.
#[derive(Debug)]
pub struct Desk {
    cluster: Arc<Cluster>,
    me: u16,
    board: Arc<Board>,
    open: Mutex<Open>,
    /// After this long a question is answered with what is not known.
    patience: Duration,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    answer: Answer,
    since: Instant,
}

impl Desk {
    pub fn new(cluster: Arc<Cluster>, me: u16, board: Arc<Board>) -> Self {
        // A round of heartbeats is over in T, or the leader has given up; a hand-over tries more than one successor.
        let patience = Duration::from_millis(u64::from(cluster.timing.election.0) * 3);
        Self {
            cluster,
            me,
            board,
            open: Mutex::default(),
            patience,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a question that the node will answer. One that cannot be taken is answered at once.
    pub fn take(&self, ask: Ask, answer: Answer) -> Option<RequestId> {
        let mut open = self.lock();
        if open.waiting.len() >= OPEN_MAX {
            drop(open);
            busy(answer, "too many questions are open; ask again later, or another node");
            return None;
        }
        open.last += 1;
        let id = open.last;
        let since = Instant::now();
        open.waiting.insert(id, Waiting { ask, answer, since });
        Some(RequestId(id))
    }

    /// The node could not be told.
    pub fn turned_away(&self, request: RequestId) {
        if let Some(waiting) = self.lock().waiting.remove(&request.0) {
            busy(
                waiting.answer,
                "this node has too much to do; ask again later, or another node",
            );
        }
    }

    /// A majority has confirmed this node's leadership.
    pub fn confirmed(&self, upto: RequestId, term: Term) {
        let leader = Leader {
            node: self.me,
            address: self.address(self.me).unwrap_or_default(),
            fencing: term.0,
        };
        let reply = Reply::Leader(Lead::Known(leader));
        self.end(|id, ask| (id <= upto.0 && *ask == Ask::Leader).then(|| reply.clone()));
    }

    /// This node will not confirm these.
    pub fn unconfirmed(&self, upto: RequestId) {
        self.end(|id, ask| {
            let concerned = id <= upto.0 && *ask == Ask::Leader;
            concerned.then(|| self.unknown(ask, "its leadership ended before a majority confirmed it".into(), None))
        });
    }

    /// Which of the open questions are such.
    pub fn waiting(&self, such: impl Fn(u64, &Ask) -> bool) -> Vec<RequestId> {
        let open = self.lock();
        let chosen = open.waiting.iter().filter(|(id, waiting)| such(**id, &waiting.ask));
        chosen.map(|(id, _)| RequestId(*id)).collect()
    }

    /// The node will not do this.
    pub fn refuse(&self, request: RequestId, reason: &str) {
        self.end(|id, ask| (id == request.0).then(|| self.unknown(ask, reason.to_owned(), None)));
    }

    /// The node refused.
    pub fn refused(&self, request: RequestId, refusal: Refusal) {
        let (reason, leader) = match refusal {
            Refusal::NotLeader { leader: Some(leader) } => (format!("node {} does not lead", self.me), Some(leader.0)),
            Refusal::NotLeader { leader: None } => {
                (format!("node {} does not lead and knows no leader", self.me), None)
            }
            Refusal::HandingOver => ("it is handing over; ask again in a moment".to_owned(), None),
            Refusal::NotReady => (
                "that node is no voter, or has not answered within the election timeout".to_owned(),
                None,
            ),
        };
        self.end(|id, ask| (id == request.0).then(|| self.unknown(ask, reason.clone(), leader)));
    }

    /// This node leads no longer.
    pub fn stopped(&self, why: Why) {
        self.end(|_, ask| match (ask, why) {
            (Ask::Transfer { .. }, Why::HandedOver) | (Ask::Resign, _) | (Ask::Drain { on: true }, _) => {
                Some(self.done(ask, &format!("it leads no longer: {why}")))
            }
            (Ask::Transfer { .. }, _) => Some(self.unknown(ask, format!("it leads no longer: {why}"), None)),
            _ => None,
        });
    }

    /// A hand-over came to nothing.
    pub fn not_handed_over(&self, to: Option<NodeId>) {
        let reason = match to {
            Some(node) => format!(
                "node {} was asked to take over and did not; node {} still leads",
                node.0, self.me
            ),
            None => format!("no voter was ready to take over; node {} still leads", self.me),
        };
        self.end(|_, ask| match ask {
            Ask::Transfer { .. } => Some(self.unknown(ask, reason.clone(), None)),
            Ask::Drain { on: true } => Some(self.done(ask, &format!("it will not stand again, but {reason}"))),
            _ => None,
        });
    }

    /// The node took it in whether it shall stand.
    pub fn drained(&self, is_drained: bool, leads: bool) {
        self.end(|_, ask| match ask {
            Ask::Drain { on } if *on == is_drained && !(is_drained && leads) => {
                let what = if is_drained {
                    "it does not lead and will not stand"
                } else {
                    "it may lead again"
                };
                Some(self.done(ask, what))
            }
            _ => None,
        });
    }

    /// The node has begun a new life and knows of no question.
    pub fn forgotten(&self) {
        self.end(|_, ask| Some(self.unknown(ask, "the node had to read its store again; ask again".into(), None)));
    }

    /// Answers those that have waited for too long.
    pub fn expire(&self) {
        let now = Instant::now();
        let mut open = self.lock();
        let is_old = |waiting: &mut Waiting| now.duration_since(waiting.since) > self.patience;
        let old: Vec<_> = open.waiting.extract_if(.., |_, waiting| is_old(waiting)).collect();
        drop(open);
        for (_, waiting) in old {
            let reason = match waiting.ask {
                Ask::Leader => "it did not come about in time: too few nodes answer",
                // It may wait for the node still: a store that failed is being opened again, say.
                _ => "it did not come about in time, and still may; look at the status, then ask again",
            };
            let reply = self.unknown(&waiting.ask, reason.to_owned(), None);
            waiting.answer.send(reply.write().into());
        }
    }

    /// Ends all for which there is a reply.
    pub fn end(&self, reply: impl Fn(u64, &Ask) -> Option<Reply>) {
        let mut ended = Vec::new();
        let mut open = self.lock();
        let ids: Vec<u64> = open.waiting.keys().copied().collect();
        for id in ids {
            let said = open.waiting.get(&id).and_then(|waiting| reply(id, &waiting.ask));
            if let Some(said) = said
                && let Some(waiting) = open.waiting.remove(&id)
            {
                ended.push((waiting.answer, said));
            }
        }
        drop(open);
        for (answer, said) in ended {
            answer.send(said.write().into());
        }
    }

    fn unknown(&self, ask: &Ask, reason: String, try_node: Option<u16>) -> Reply {
        let why = Unknown {
            reason,
            try_node,
            try_address: try_node.and_then(|id| self.address(id)),
        };
        match ask {
            Ask::Leader => Reply::Leader(Lead::Unknown(why)),
            _ => Reply::Refused(Refused {
                ask: ask.name().into(),
                why,
            }),
        }
    }

    /// It was done.
    pub fn done(&self, ask: &Ask, what: &str) -> Reply {
        let board = self.board.lock();
        Reply::Done(Done {
            ask: ask.name().into(),
            node: self.me,
            what: what.into(),
            leader: board.leader.filter(|leader| *leader != self.me),
            term: board.term,
        })
    }

    fn address(&self, id: u16) -> Option<String> {
        self.cluster.member(id).map(|member| member.address.to_string())
    }
}

fn busy(answer: Answer, reason: &str) {
    let reply = Reply::Error(Trouble::new(TroubleKind::Busy, reason));
    answer.send(reply.write().into());
}
