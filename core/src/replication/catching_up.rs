//! Catching up before standing: a voter that a majority would vote for, but for its log, fetches what it lacks from
//! the one whose log goes furthest. So whoever reaches a majority can win, whatever it has missed.

use alloc::vec::Vec;

use super::replica::{Fx, Parts};
use super::{Config, Entry, Index, LogId, Notice, Payload, Query, Replication, Whom};
use crate::election::Role;
use crate::types::{NodeId, Term};

/// From whom a pre-candidate copies, and how far that log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CatchUp {
    /// From whom.
    pub(super) from: NodeId,
    /// To here.
    pub(super) upto: LogId,
}

impl<C: Payload> Replication<C> {
    pub(super) fn begin_catch_up(&mut self, from: NodeId, upto: LogId, fx: Fx<'_, C>) {
        self.catch_up = Some(CatchUp { from, upto });
        self.ask(from, self.log.last(), fx);
    }

    /// Asks for what comes after this entry, or else after what is decided.
    pub(super) fn ask(&self, from: NodeId, last: LogId, fx: Fx<'_, C>) {
        let decided = self.decided;
        fx.notice(from, Notice::Ask { last, decided });
    }

    /// Answers from the store; nothing is kept for the asker.
    pub(super) fn on_ask(&mut self, config: &Config, from: NodeId, last: LogId, decided: Index, fx: Fx<'_, C>) {
        let known = config.election.voters.contains(from);
        if !known || matches!(self.election.role(), Role::Leader(_) | Role::Observer) {
            return;
        }
        let base = self.log.base();
        let end = self.log.last().index;
        // What the asker knows to be decided is in every log that goes further than its own.
        let common = if self.log.holds(last) { last.index } else { decided };
        let whom = Whom::Asker(from);
        if common >= end {
            return;
        }
        if common < base.index {
            fx.fetch(Query::Piece { base, nth: 0, whom });
            return;
        }
        fx.fetch(Query::Entries {
            from: common.next(),
            upto: end.min(common.plus(config.chunk.into())),
            whom,
        });
    }

    pub(super) fn on_fetched_for_asker(&self, asker: NodeId, entries: Vec<Entry<C>>, fx: Fx<'_, C>) {
        let last = self.log.last();
        let Some(end) = entries.last().map(|entry| entry.id) else {
            return;
        };
        for entry in entries {
            // Only what its log still says: the rows may be older.
            let Some(prev) = self
                .log
                .id_at(entry.id.index.before())
                .filter(|_| self.log.holds(entry.id))
            else {
                return;
            };
            let end = entry.id == end;
            fx.notice(asker, Notice::Suffix { prev, entry, last, end });
        }
    }

    pub(super) fn on_suffix(
        &mut self,
        config: &Config,
        from: NodeId,
        (prev, entry): (LogId, Entry<C>),
        (last, end): (LogId, bool),
        parts: &mut Parts,
        fx: Fx<'_, C>,
    ) {
        if !self.may_copy(config, from, last, entry.id.term) || !self.log.holds(prev) {
            return;
        }
        if entry.id.index != prev.index.next() || entry.id.term < prev.term {
            return;
        }
        let common = entry.id;
        self.take(config, prev, entry, parts, fx);
        self.caught_up(config, common, end, parts, fx);
    }

    /// Whether an entry of this term, from a log that ends there, may be copied now. See the module's argument.
    pub(super) fn may_copy(&self, config: &Config, from: NodeId, end: LogId, term: Term) -> bool {
        let further = end > self.log.last();
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::CopiesAnyLog) {
            return matches!(self.election.role(), Role::PreCandidate { .. }) && term <= self.election.term();
        }
        let _ = config;
        let asked = self.catch_up.is_some_and(|catch_up| catch_up.from == from);
        asked && further && term <= self.election.term()
    }

    /// Both logs are the same up to an entry. Goes on from there, or asks again for votes.
    pub(super) fn caught_up(&mut self, config: &Config, common: LogId, end: bool, parts: &mut Parts, fx: Fx<'_, C>) {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::CopiesAnyLog) && end {
            config
                .election
                .peers()
                .iter()
                .for_each(|voter| self.ask(voter, common, fx));
            return;
        }
        let Some(CatchUp { from, upto }) = self.catch_up else {
            return;
        };
        if self.log.last() >= upto {
            self.catch_up = None;
            self.election.ask_again(&config.election, &mut parts.election);
        } else if end {
            self.ask(from, common, fx);
        }
    }
}
