//! Snapshots: taken by the host, or fetched piece by piece from a member that has dropped the entries.

use super::replica::{Fx, Parts};
use super::{Claim, Config, Event, Index, LogId, Notice, Payload, Piece, Query, Record, Refusal, Replication, Whom};
use crate::election::Role;
use crate::types::{NodeId, RequestId, Term};

impl<C: Payload> Replication<C> {
    /// The host hands over a piece of its own snapshot.
    pub(super) fn on_own_piece(
        &mut self,
        config: &Config,
        request: RequestId,
        (upto, nth, end): (Index, u32, bool),
        body: C,
        parts: &mut Parts,
        fx: Fx<'_, C>,
    ) {
        if Self::is_too_large(config, &body) {
            self.refuse(config, request, Some(Refusal::TooLarge), fx);
            return;
        }
        let base = self.log.id_at(upto).filter(|base| {
            let fresh = upto > self.log.base().index && upto <= self.applied;
            fresh && (nth == 0 || self.gathered == Some((config.election.me, *base, nth)))
        });
        let Some(base) = base else {
            self.refuse(config, request, Some(Refusal::Snapshot), fx);
            return;
        };
        let piece = Piece { base, nth, end, body };
        if self.gather(config.election.me, piece, fx) {
            self.install(config, base, fx);
            self.wrote(config, base, parts, fx);
            fx.emit(Event::Compacted { base });
        }
    }

    /// Keeps a piece. Whether it was the last one: then the snapshot is in place.
    fn gather(&mut self, from: NodeId, piece: Piece<C>, fx: Fx<'_, C>) -> bool {
        let Piece { base, nth, end, body } = piece;
        fx.persist(Record::Piece { base, nth, piece: body });
        if end {
            self.gathered = None;
            fx.persist(Record::Install { base });
        } else {
            self.gathered = Some((from, base, nth.saturating_add(1)));
        }
        end
    }

    /// A piece from the leader, or from whom this pre-candidate copies.
    pub(super) fn on_piece(
        &mut self,
        config: &Config,
        from: NodeId,
        (term, last): (Term, LogId),
        piece: Piece<C>,
        parts: &mut Parts,
        fx: Fx<'_, C>,
    ) {
        let Piece { base, nth, .. } = piece;
        let leads = self.follows(from) && term == self.election.term();
        if !leads && !self.may_copy(config, from, last, base.term) {
            return;
        }
        if base.index <= self.decided {
            if leads {
                // It has all that, and it is decided: every leader since has the same.
                self.say_appended(config, from, base.index, fx);
            }
            return;
        }
        // Two members may have cut the same state into other pieces.
        let next = self
            .gathered
            .filter(|(whose, gathered, _)| *whose == from && *gathered == base)
            .map_or(0, |(_, _, next)| next);
        if nth != next {
            // The first one again, or one too many: here it goes on. To any other old one there is an answer already, and a
            // second one would be a second stream of pieces.
            if nth == 0 || nth > next {
                fx.claim(from, Claim::Pieced { base, next });
            }
            return;
        }
        if !self.gather(from, piece, fx) {
            let next = nth.saturating_add(1);
            fx.claim(from, Claim::Pieced { base, next });
            return;
        }
        self.replace_log(config, base, parts, fx);
        if leads {
            self.look_whole(config, fx);
            self.say_appended(config, from, base.index, fx);
        } else {
            self.caught_up(config, base, true, parts, fx);
        }
    }

    fn replace_log(&mut self, config: &Config, base: LogId, parts: &mut Parts, fx: Fx<'_, C>) {
        if !self.install(config, base, fx) {
            self.stored = Index::ZERO;
        }
        self.decided = base.index;
        self.applied = base.index;
        self.wrote(config, base, parts, fx);
        fx.emit(Event::Load { base });
    }

    /// The log now begins after the snapshot. Whether what follows it stays.
    fn install(&mut self, config: &Config, base: LogId, fx: Fx<'_, C>) -> bool {
        let keeps = self.log.install(base);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::L6InstallCutsSuffix) {
            self.log.truncate(base.index);
            self.stored = self.stored.min(base.index);
            fx.persist(Record::Truncate { after: base.index });
        }
        let _ = (config, fx);
        keeps
    }

    pub(super) fn on_pieced(&mut self, from: NodeId, base: LogId, next: u32, fx: Fx<'_, C>) {
        if base != self.log.base() {
            return;
        }
        let leads = matches!(self.election.role(), Role::Leader(_));
        self.mark_gathering(from);
        let whom = if leads { Whom::Follower(from) } else { Whom::Asker(from) };
        fx.fetch(Query::Piece { base, nth: next, whom });
    }

    pub(super) fn on_fetched_piece(
        &self,
        whom: Whom,
        (base, nth): (LogId, u32),
        piece: Option<C>,
        end: bool,
        fx: Fx<'_, C>,
    ) {
        let (Whom::Follower(node) | Whom::Asker(node)) = whom else {
            return;
        };
        let Some(body) = piece else { return };
        fx.notice(
            node,
            Notice::Piece {
                term: self.election.term(),
                last: self.log.last(),
                piece: Piece { base, nth, end, body },
            },
        );
    }
}
