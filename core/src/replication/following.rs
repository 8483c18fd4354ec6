//! What a follower does with its leader's log.

use super::replica::{Fx, Parts};
use super::{Claim, Config, Entry, Index, LogId, Payload, Replication, Report};
use crate::election;
use crate::types::NodeId;

impl<C: Payload> Replication<C> {
    /// The leader says what comes after `prev`, and what is decided.
    pub(super) fn on_append(
        &mut self,
        config: &Config,
        from: NodeId,
        (prev, entry, decided): (LogId, Option<Entry<C>>, Index),
        parts: &mut Parts,
        fx: Fx<'_, C>,
    ) {
        let term = self.election.term();
        self.election.heard_leader(&config.election, from, &mut parts.election);
        let base = self.log.base().index;
        if prev.index < base {
            // What a snapshot covers is decided: every leader since has it.
            self.say_appended(config, from, base, fx);
            return;
        }
        #[cfg(seeded_bugs)]
        let unchecked = config.has(super::bugs::Bug::PrevUnchecked) && prev.index <= self.log.last().index;
        #[cfg(not(seeded_bugs))]
        let unchecked = false;
        if !self.log.holds(prev) && !unchecked {
            let hint = self.hint(prev.index);
            fx.claim(from, Claim::Missing { term, hint });
            return;
        }
        let mut upto = prev.index;
        if let Some(entry) = entry {
            if entry.id.index != prev.index.next() || entry.id.term > term || entry.id.term < prev.term {
                fx.report(Report::Election(election::Report::Misbehaved {
                    from,
                    what: "an entry that does not follow the one before it",
                }));
                return;
            }
            upto = entry.id.index;
            self.take(config, prev, entry, parts, fx);
        }
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::L9LearnsBeyond) {
            let end = self.log.last().index;
            self.learn_decided(config, decided.min(end), fx);
        }
        // Beyond what it has just compared with the leader's log, its own may be another.
        self.learn_decided(config, decided.min(upto), fx);
        self.look_whole(config, fx);
        self.say_appended(config, from, upto, fx);
    }

    pub(super) fn say_appended(&self, config: &Config, leader: NodeId, upto: Index, fx: Fx<'_, C>) {
        let (term, decided) = (self.election.term(), self.decided);
        let says = Claim::Appended { term, upto, decided };
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::L4AcknowledgesEarly) {
            fx.claim_early(leader, says);
            return;
        }
        let _ = config;
        fx.claim(leader, says);
    }

    /// Where the leader should look next: before the run that differs, or at the end.
    fn hint(&self, missed: Index) -> Index {
        let last = self.log.last().index;
        if missed > last {
            last
        } else {
            self.log.run_of(missed).before().max(self.decided)
        }
    }
}
