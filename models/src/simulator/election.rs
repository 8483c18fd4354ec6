//! Watches an election: who led when, who was listened to, and whether what must never happen did.
//!
//! Of `election`'s claims it holds I1 (one leadership a term), I2 (terms never fall, claims rest on durable terms), I3
//! (one vote a term), I4 (a leadership rests on a majority's durable votes), I5 (leases do not overlap), I6 and Q1 (the
//! client question) after every step. How long things took is for the test to judge.
//!
//! I6, that terms grow in the order in which leaderships are won, is held for those that a majority answers: votes can be
//! under way for so long that a candidate wins an old term after another has won a higher one. It then leads nobody: each
//! majority has a member that has left the old term.

use std::collections::BTreeMap;

use pehra_core::election::{Claim, Election, Event, HardImage, Message, Position, Report, Role, Why};
use pehra_core::members::{MEMBERS_MAX, NodeSet};
use pehra_core::types::{NodeId, RequestId, Term};

use super::time::Time;
use super::watch::{Sight, View, Watch};

/// One leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// Who.
    pub leader: NodeId,
    /// In which of its lives.
    pub life: u32,
    /// When it began.
    pub began: Time,
    /// When a majority had first answered a heartbeat of it.
    pub acknowledged: Option<Time>,
    /// When it ended, as far as its leader knows.
    pub ended: Option<Time>,
    /// Why; a death has no reason.
    pub why: Option<Why>,
    /// Who has answered since a majority last had.
    answers: NodeSet,
}

/// All leaderships of a run.
#[derive(Clone, Debug)]
pub struct Leaderships {
    voters: NodeSet,
    /// A majority answers at least so often, or the leadership does not count as working.
    patience: Time,
    leaderships: BTreeMap<Term, Leadership>,
    votes: BTreeMap<(Term, NodeId), NodeId>,
    /// The highest durable term of each node, and the highest of its present life.
    terms: Vec<(Term, u32, Term)>,
    /// From when to when a majority kept answering one leader.
    working: Vec<(Term, Time, Time)>,
    wrong: Option<String>,
}

impl Leaderships {
    /// Nobody has led yet. A leader whose majority is silent for longer than `patience` is not working.
    #[must_use]
    pub fn new(voters: NodeSet, patience: Time) -> Self {
        Self {
            voters,
            patience,
            leaderships: BTreeMap::new(),
            votes: BTreeMap::new(),
            terms: vec![(Term::ZERO, 0, Term::ZERO); usize::from(MEMBERS_MAX)],
            working: Vec::new(),
            wrong: None,
        }
    }

    /// All leaderships, by term.
    pub fn all(&self) -> impl Iterator<Item = (Term, &Leadership)> {
        self.leaderships.iter().map(|(term, leadership)| (*term, leadership))
    }

    /// The leader whom a majority has answered within the patience.
    #[must_use]
    pub fn working(&self, now: Time) -> Option<(Term, NodeId)> {
        let (term, _, last) = *self.working.last()?;
        let leadership = self.leaderships.get(&term)?;
        (now - last <= self.patience && leadership.ended.is_none()).then_some((term, leadership.leader))
    }

    /// Leaderships that began at that moment or later.
    #[must_use]
    pub fn begun_since(&self, moment: Time) -> usize {
        self.leaderships
            .values()
            .filter(|leadership| leadership.began >= moment)
            .count()
    }

    /// When, of the leaderships that began at that moment or later, the first was acknowledged by a majority.
    #[must_use]
    pub fn recovered_since(&self, moment: Time) -> Option<Time> {
        let new = self
            .leaderships
            .values()
            .filter(|leadership| leadership.began >= moment);
        new.filter_map(|leadership| leadership.acknowledged).min()
    }

    /// How long, between two moments, a leader was working.
    #[must_use]
    pub fn worked(&self, from: Time, to: Time) -> Time {
        let within = |(_, began, last): &(Term, Time, Time)| (*last).min(to) - (*began).max(from);
        self.working.iter().map(within).fold(Time(0), |sum, part| sum + part)
    }

    fn wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    fn begins<L: Position>(&mut self, view: &View<'_, Election<L>, HardImage>, node: NodeId, term: Term, life: u32) {
        if let Some(known) = self.leaderships.get(&term) {
            if (known.leader, known.life) != (node, life) {
                let (other, its) = (known.leader, known.life);
                self.wrong(format!(
                    "I1: {node} (life {life}) leads {term}, as {other} (life {its}) did"
                ));
            }
            return;
        }
        let durable = view.machine(node).and_then(|machine| machine.disk.image.hard);
        if durable.is_none_or(|hard| (hard.term, hard.vote) != (term, Some(node))) {
            self.wrong(format!(
                "I4: {node} leads {term}, but its own vote is not durable: {durable:?}"
            ));
        }
        let votes = self.votes.iter().filter(|((of, _), to)| *of == term && **to == node);
        let voters: NodeSet = votes.map(|((_, voter), _)| *voter).collect();
        if !voters.with(node).is_majority_of(self.voters) {
            self.wrong(format!("I4: {node} leads {term} with the votes of {voters:?} alone"));
        }
        let leadership = Leadership {
            leader: node,
            life,
            began: view.now,
            acknowledged: None,
            ended: None,
            why: None,
            answers: NodeSet::EMPTY,
        };
        self.leaderships.insert(term, leadership);
    }

    fn answers(&mut self, now: Time, leader: NodeId, from: NodeId, term: Term) {
        let Some(leadership) = self.leaderships.get_mut(&term) else {
            return;
        };
        if leadership.leader != leader || leadership.ended.is_some() {
            return;
        }
        leadership.answers.insert(from);
        if !leadership.answers.with(leader).is_majority_of(self.voters) {
            return;
        }
        leadership.answers = NodeSet::EMPTY;
        leadership.acknowledged.get_or_insert(now);
        let began = leadership.began;
        let higher = self
            .leaderships
            .range(term..)
            .find(|(of, later)| **of > term && later.began < began);
        if let Some((of, later)) = higher {
            let other = later.leader;
            self.wrong(format!(
                "I6: a majority answers {leader} in {term}, after {other} has led {of}"
            ));
        }
        match self.working.last_mut() {
            Some((of, _, last)) if *of == term && now - *last <= self.patience => *last = now,
            _ => self.working.push((term, now, now)),
        }
    }

    fn claims<L: Position>(
        &mut self,
        view: &View<'_, Election<L>, HardImage>,
        (node, to): (NodeId, NodeId),
        claim: &Claim<L>,
    ) {
        let (Claim::Vote { term, .. }
        | Claim::Voted { term }
        | Claim::Ack { term, .. }
        | Claim::Nack { term }
        | Claim::Transfer { term, .. }) = *claim
        else {
            return;
        };
        let hard = view
            .machine(node)
            .and_then(|machine| machine.disk.image.hard)
            .unwrap_or_default();
        if hard.term < term {
            self.wrong(format!("I2: {node} says {claim:?} while {hard:?} is durable"));
        }
        if let Claim::Voted { .. } = claim {
            let first = *self.votes.entry((term, node)).or_insert(to);
            if first != to {
                self.wrong(format!("I3: {node} votes for {to} in {term}, having voted for {first}"));
            }
            if hard.term == term && hard.vote != Some(to) {
                self.wrong(format!("I3: {node} votes for {to} while {hard:?} is durable"));
            }
        }
    }

    /// Request ids of questions are the moments, in microseconds, at which they were asked.
    fn confirms(&mut self, node: NodeId, upto: RequestId, term: Term) {
        let asked = Time(upto.0);
        let later = self
            .leaderships
            .range(term..)
            .find(|(of, l)| **of > term && l.began < asked);
        if let Some((of, later)) = later {
            let (leader, began) = (later.leader, later.began);
            self.wrong(format!(
                "Q1: {node} says that it led {term} when asked at {asked}; {leader} has led {of} since {began}"
            ));
        }
    }

    fn ends(&mut self, now: Time, node: NodeId, of: Option<Term>, why: Option<Why>) {
        for (term, leadership) in &mut self.leaderships {
            if leadership.leader == node && leadership.ended.is_none() && of.is_none_or(|of| of == *term) {
                (leadership.ended, leadership.why) = (Some(now), why);
            }
        }
    }
}

impl<L: Position> Watch<Election<L>, HardImage> for Leaderships {
    fn see(&mut self, view: &View<'_, Election<L>, HardImage>, node: NodeId, sight: &Sight<'_, Election<L>>) {
        match sight {
            Sight::Hears(from, Message::Claim(Claim::Ack { term, .. })) => self.answers(view.now, node, *from, *term),
            Sight::Claim(to, claim) => self.claims(view, (node, *to), claim),
            Sight::Event(Event::Confirmed { upto, term }) => self.confirms(node, *upto, *term),
            Sight::Report(Report::StoppedLeading { term, why }) => self.ends(view.now, node, Some(*term), Some(*why)),
            Sight::Died => self.ends(view.now, node, None, None),
            _ => {}
        }
    }

    fn judge(&mut self, view: &View<'_, Election<L>, HardImage>, stepped: NodeId) -> Result<(), String> {
        let Some((machine, state)) = view
            .machine(stepped)
            .and_then(|machine| Some((machine, machine.state()?)))
        else {
            return Ok(());
        };
        let image = machine.disk.image;
        if image.lost {
            return self.wrong.take().map_or(Ok(()), Err);
        }
        let durable = image.hard.unwrap_or_default().term;
        let known = &mut self.terms[usize::from(stepped.0)];
        let in_this_life = if known.1 == machine.lives { known.2 } else { durable };
        if durable < known.0 || state.term() < in_this_life || state.term() < durable {
            let (term, known) = (state.term(), *known);
            return Err(format!(
                "I2: the term of {stepped} fell: {term}, durable {durable}, known {known:?}"
            ));
        }
        *known = (durable, machine.lives, state.term());
        if let Role::Leader(leader) = state.role() {
            self.begins(view, stepped, state.term(), machine.lives);
            let leased = |machine: &&_| is_leased(machine);
            if leader.is_leased() && view.machines.iter().filter(leased).count() > 1 {
                self.wrong("I5: two leases are valid at once".into());
            }
        }
        self.wrong.take().map_or(Ok(()), Err)
    }
}

/// A lease that its holder can act on: a frozen one cannot, and is told of the standstill before it can.
fn is_leased<L: Position>(machine: &super::machine::Machine<Election<L>, HardImage>) -> bool {
    let leadership = machine
        .state()
        .filter(|_| machine.runs())
        .and_then(Election::leadership);
    leadership.is_some_and(pehra_core::election::Leader::is_leased)
}
