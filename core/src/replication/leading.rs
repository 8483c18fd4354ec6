//! What only a leader does: append, count copies, bring the others up to date, and let reads through.

use alloc::vec::Vec;

use super::replica::{Fx, Parts};
use super::{Body, Config, Entry, Event, Index, LogId, Notice, Payload, Query, Refusal, Replication, Report, Whom};
use crate::election;
use crate::members::NodeSet;
use crate::protocol::Input;
use crate::types::{Broken, NodeId, RequestId};

/// How far another member's log goes, as the leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Progress {
    /// Who.
    pub node: NodeId,
    /// It holds the leader's log up to here.
    pub matched: Index,
    /// What to send next.
    pub next: Index,
    /// It knows that all up to here is decided.
    pub decided: Index,
    /// The next entries are being fetched for it.
    pub fetching: bool,
    /// It has asked for a piece of the snapshot since the last heartbeat: a stream of them is under way.
    pub gathering: bool,
}

/// A leadership, as far as the log goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lead {
    /// The leader's first entry. What earlier leaders appended is decided with it, not before.
    began: Index,
    /// The others.
    others: Vec<Progress>,
    /// The latest read that was asked for.
    asked: Option<RequestId>,
    /// The latest read that a majority has confirmed, while it waits for the first entry.
    confirmed: Option<RequestId>,
}

impl Lead {
    /// The leader's first entry.
    #[must_use]
    pub const fn began(&self) -> Index {
        self.began
    }

    /// The others' logs.
    #[must_use]
    pub fn others(&self) -> &[Progress] {
        &self.others
    }

    /// The latest read that has not been answered.
    pub(super) fn unanswered(&self) -> Option<RequestId> {
        self.asked.max(self.confirmed)
    }

    fn of(&mut self, node: NodeId) -> Option<&mut Progress> {
        self.others.iter_mut().find(|progress| progress.node == node)
    }

    pub(super) fn check(&self, last: Index) -> Result<(), Broken> {
        let sane = |progress: &Progress| progress.matched < progress.next && progress.next <= last.next();
        if self.began > last || !self.others.iter().all(sane) {
            return Err(Broken("replication: the leader's view of another log is not one"));
        }
        Ok(())
    }
}

impl<C: Payload> Replication<C> {
    pub(super) fn begin_leading(&mut self, config: &Config, parts: &mut Parts, fx: Fx<'_, C>) {
        let next = self.log.last().index.next();
        let progress = |node| Progress {
            node,
            matched: Index::ZERO,
            next,
            decided: Index::ZERO,
            fetching: false,
            gathering: false,
        };
        let all = Self::others(config);
        // Once, at its full length.
        let mut others = Vec::with_capacity(all.count() as usize);
        others.extend(all.iter().map(progress));
        self.lead = Some(Lead {
            began: next,
            others,
            asked: None,
            confirmed: None,
        });
        self.append_own(config, Body::Empty, parts, fx);
    }

    pub(super) fn on_proposal(
        &mut self,
        config: &Config,
        request: RequestId,
        body: C,
        parts: &mut Parts,
        fx: Fx<'_, C>,
    ) {
        let Some(leadership) = self.election.leadership() else {
            self.refuse(config, request, None, fx);
            return;
        };
        let undecided = self.log.last().index.since(self.decided);
        let refusal = if leadership.hand_over().is_some() {
            Some(Refusal::HandingOver)
        } else if Self::is_too_large(config, &body) {
            Some(Refusal::TooLarge)
        } else if self.full {
            Some(Refusal::Full)
        } else if undecided >= config.backlog.into() {
            Some(Refusal::Busy)
        } else {
            None
        };
        if refusal.is_some() {
            self.refuse(config, request, refusal, fx);
            return;
        }
        let id = self.append_own(config, Body::Command(body), parts, fx);
        fx.report(Report::Taken { request, id });
    }

    /// Whether no frame holds it.
    pub(super) fn is_too_large(config: &Config, body: &C) -> bool {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::TakesAnySize) {
            return false;
        }
        u32::try_from(body.bytes()).map_or(true, |bytes| bytes > config.body_max)
    }

    /// Appends to its own log, and tells those that have all before it.
    fn append_own(&mut self, config: &Config, body: Body<C>, parts: &mut Parts, fx: Fx<'_, C>) -> LogId {
        let prev = self.log.last();
        let id = LogId::new(self.election.term(), prev.index.next());
        let entry = Entry { id, body };
        let (term, decided) = (self.election.term(), self.decided);
        if let Some(lead) = &mut self.lead {
            for progress in &mut lead.others {
                let under_way = progress.next.since(progress.matched);
                // Who has shown nothing yet is asked with the first entry only.
                let known = progress.matched > Index::ZERO || id.index == lead.began;
                if progress.next == id.index && known && (under_way <= config.window.into() || id.index == lead.began) {
                    fx.notice(
                        progress.node,
                        Notice::Append {
                            term,
                            prev,
                            entry: Some(entry.clone()),
                            decided,
                        },
                    );
                    progress.next = id.index.next();
                }
            }
        }
        self.append(config, entry, parts, fx);
        // Nobody else has it yet.
        for node in config.election.peers().iter() {
            self.election.may_succeed(node, false);
        }
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::L3OwnCopyEarly) {
            self.stored = id.index;
            self.decide(config, fx);
        }
        id
    }

    /// A voter that lacks entries cannot win: no hand-over to it.
    fn mark_ready(&mut self, node: NodeId) {
        let last = self.log.last().index;
        let ready = self
            .lead
            .as_mut()
            .and_then(|lead| lead.of(node))
            .is_some_and(|progress| progress.matched == last);
        self.election.may_succeed(node, ready);
    }

    // --- counting copies --------------------------------------------------------------------------------------------

    pub(super) fn on_appended(&mut self, config: &Config, from: NodeId, upto: Index, decided: Index, fx: Fx<'_, C>) {
        let last = self.log.last().index;
        let Some(progress) = self.lead.as_mut().and_then(|lead| lead.of(from)) else {
            return;
        };
        if upto > last {
            fx.report(Report::Election(election::Report::Misbehaved {
                from,
                what: "it holds more than the leader",
            }));
            return;
        }
        progress.matched = progress.matched.max(upto);
        progress.next = progress.next.max(upto.next());
        progress.decided = progress.decided.max(decided);
        self.mark_ready(from);
        if !self.decide(config, fx)
            && let Some(progress) = self
                .lead
                .as_ref()
                .and_then(|lead| lead.others.iter().find(|of| of.node == from))
        {
            self.tell(progress, fx);
        }
        self.feed(config, from, fx);
    }

    pub(super) fn on_missing(&mut self, config: &Config, from: NodeId, hint: Index, fx: Fx<'_, C>) {
        let Some(progress) = self.lead.as_mut().and_then(|lead| lead.of(from)) else {
            return;
        };
        // An old answer may name a place that it has since filled, or that is still to come.
        progress.next = hint.next().min(progress.next).max(progress.matched.next());
        self.feed(config, from, fx);
    }

    /// Whatever a majority of the voters holds is decided, if it is of this term; and so is all before it. Whether it was
    /// news.
    pub(super) fn decide(&mut self, config: &Config, fx: Fx<'_, C>) -> bool {
        let Some(lead) = &self.lead else { return false };
        let voters = config.election.voters;
        let mut upto = self.decided;
        let candidates = lead
            .others
            .iter()
            .filter(|progress| voters.contains(progress.node))
            .map(|progress| progress.matched)
            .chain([self.stored]);
        // Each copy's end is a candidate: how many reach it?
        for end in candidates {
            if end <= upto {
                continue;
            }
            let reaches = |progress: &&Progress| progress.matched >= end;
            let mut copies: NodeSet = lead.others.iter().filter(reaches).map(|other| other.node).collect();
            if self.stored >= end {
                copies.insert(config.election.me);
            }
            let of_this_term = self.log.term_at(end) == Some(self.election.term());
            #[cfg(seeded_bugs)]
            let of_this_term = of_this_term || config.has(super::bugs::Bug::L1CountsOldTerms);
            if of_this_term && copies.is_majority_of(voters) {
                upto = end;
            }
        }
        if upto == self.decided {
            return false;
        }
        self.learn_decided(config, upto, fx);
        self.tell_decided(fx);
        self.let_read(config, fx);
        true
    }

    /// Tells those that wait for nothing else.
    fn tell_decided(&self, fx: Fx<'_, C>) {
        for progress in self.lead.iter().flat_map(|lead| &lead.others) {
            self.tell(progress, fx);
        }
    }

    /// Says what is decided, unless it knows, or entries under way say it.
    fn tell(&self, progress: &Progress, fx: Fx<'_, C>) {
        let (term, decided) = (self.election.term(), self.decided);
        let waits = progress.next == progress.matched.next() && progress.decided < decided;
        if waits && let Some(prev) = self.log.id_at(progress.matched) {
            let entry = None;
            fx.notice(
                progress.node,
                Notice::Append {
                    term,
                    prev,
                    entry,
                    decided,
                },
            );
        }
    }

    // --- bringing the others up to date -----------------------------------------------------------------------------

    /// Asks everybody who lacks something how far it is. The answer gets things going again.
    pub(super) fn probe(&mut self, fx: Fx<'_, C>) {
        let (decided, last) = (self.decided, self.log.last().index);
        let gathers = |progress: &mut Progress| core::mem::take(&mut progress.gathering);
        let mut lead = self.lead.take();
        for progress in lead.iter_mut().flat_map(|lead| &mut lead.others) {
            if !gathers(progress) && (progress.matched < last || progress.decided < decided) {
                self.ask_how_far(progress, fx);
            }
        }
        self.lead = lead;
    }

    fn ask_how_far(&self, progress: &Progress, fx: Fx<'_, C>) {
        let at = progress.next.before().max(self.log.base().index);
        if let Some(prev) = self.log.id_at(at) {
            fx.notice(
                progress.node,
                Notice::Append {
                    term: self.election.term(),
                    prev,
                    entry: None,
                    decided: self.decided,
                },
            );
        }
    }

    /// A member that comes back may have lost its store: what it held counts no more until it says so again.
    pub(super) fn on_peer_back(&mut self, peer: NodeId, fx: Fx<'_, C>) {
        let next = self.log.last().index.next();
        let Some(progress) = self.lead.as_mut().and_then(|lead| lead.of(peer)) else {
            return;
        };
        progress.matched = Index::ZERO;
        progress.next = next;
        progress.decided = Index::ZERO;
        progress.gathering = false;
        let progress = *progress;
        self.mark_ready(peer);
        self.ask_how_far(&progress, fx);
    }

    /// It has asked for the next piece of the snapshot.
    pub(super) fn mark_gathering(&mut self, node: NodeId) {
        if let Some(progress) = self.lead.as_mut().and_then(|lead| lead.of(node)) {
            progress.gathering = true;
        }
    }

    /// Fetches for this member what it lacks, if nothing is under way to it.
    fn feed(&mut self, config: &Config, node: NodeId, fx: Fx<'_, C>) {
        let (base, last) = (self.log.base(), self.log.last().index);
        let Some(progress) = self.lead.as_mut().and_then(|lead| lead.of(node)) else {
            return;
        };
        // Who has only said what it lacks has acknowledged nothing yet: that alone would seem a full window.
        let under_way = progress.next.since(progress.matched.next());
        let is_full = under_way >= config.window.into();
        if progress.next > last || progress.fetching {
            return;
        }
        #[cfg(seeded_bugs)]
        if is_full && config.has(super::bugs::Bug::WindowHoldsSnapshot) {
            return;
        }
        let whom = Whom::Follower(node);
        if progress.next <= base.index {
            if progress.gathering {
                return;
            }
            progress.gathering = true;
            fx.fetch(Query::Piece { base, nth: 0, whom });
            return;
        }
        if is_full {
            return;
        }
        progress.fetching = true;
        fx.fetch(Query::Entries {
            from: progress.next,
            upto: last.min(progress.next.before().plus(config.chunk.into())),
            whom,
        });
    }

    pub(super) fn on_fetched_for_follower(
        &mut self,
        config: &Config,
        node: NodeId,
        from: Index,
        entries: Vec<Entry<C>>,
        fx: Fx<'_, C>,
    ) {
        let (term, decided) = (self.election.term(), self.decided);
        let log = &self.log;
        let Some(progress) = self.lead.as_mut().and_then(|lead| lead.of(node)) else {
            return;
        };
        progress.fetching = false;
        if from != progress.next {
            self.feed(config, node, fx);
            return;
        }
        for entry in entries {
            let Some(prev) = log.id_at(entry.id.index.before()).filter(|_| log.holds(entry.id)) else {
                return;
            };
            progress.next = entry.id.index.next();
            let entry = Some(entry);
            fx.notice(
                node,
                Notice::Append {
                    term,
                    prev,
                    entry,
                    decided,
                },
            );
        }
    }

    // --- reads ------------------------------------------------------------------------------------------------------

    pub(super) fn on_read(&mut self, config: &Config, request: RequestId, parts: &mut Parts, fx: Fx<'_, C>) {
        #[cfg(seeded_bugs)]
        let at = self.decided;
        let Some(lead) = &mut self.lead else {
            self.refuse(config, request, None, fx);
            return;
        };
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::L11ReadsUnconfirmed) {
            fx.emit(Event::Readable { upto: request, at });
            return;
        }
        lead.asked = Some(request);
        self.elect(config, Input::Commanded(request, election::Command::Confirm), parts);
    }

    /// A majority says that this member still led when these had been asked.
    pub(super) fn on_confirmed(&mut self, config: &Config, upto: RequestId, fx: Fx<'_, C>) {
        let Some(lead) = &mut self.lead else { return };
        if let Some(asked) = lead.asked {
            lead.confirmed = lead.confirmed.max(Some(asked.min(upto)));
            if asked <= upto {
                lead.asked = None;
            }
        }
        self.let_read(config, fx);
    }

    /// Before its first entry is decided, a leader does not know what earlier ones have decided.
    fn let_read(&mut self, config: &Config, fx: Fx<'_, C>) {
        let at = self.decided;
        let Some(lead) = &mut self.lead else { return };
        let knows = at >= lead.began;
        #[cfg(seeded_bugs)]
        let knows = knows || config.has(super::bugs::Bug::ReadsTooFresh);
        let _ = config;
        if knows && let Some(upto) = lead.confirmed.take() {
            fx.emit(Event::Readable { upto, at });
        }
    }
}
