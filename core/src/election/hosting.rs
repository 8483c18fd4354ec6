//! What a host that keeps a log over the election tells it, within its own steps.

use super::member::{Election, Loyalty, Role};
use super::{Config, Note, Position, Timer};
use crate::protocol::Effects;
use crate::types::{Delay, NodeId};

impl<L: Position> Election<L> {
    /// How far its log goes, as far as the host has said.
    #[must_use]
    pub const fn last(&self) -> L {
        self.last
    }

    /// The log now goes this far.
    pub fn log_goes_to(&mut self, last: L) {
        self.last = last;
    }

    /// The host's step writes to the store too: the disk is watched until that is durable.
    pub fn wrote(&mut self, config: &Config, fx: &mut Effects<Self>) {
        if self.health.writes == 0 {
            fx.arm(Timer::Write, Delay::exactly(config.timing.election.half()));
        }
        self.health.writes = self.health.writes.saturating_add(1);
        fx.note(Note::Written);
    }

    /// The leader of this term was heard by other means than a heartbeat.
    pub fn heard_leader(&mut self, config: &Config, leader: NodeId, fx: &mut Effects<Self>) {
        if self.loyalty == Loyalty::To(leader) {
            fx.arm(Timer::Election, Delay::exactly(config.timing.election));
        }
    }

    /// Whether this voter could win now: its log has all that the leader's has. A leader hands over to nobody else.
    pub fn may_succeed(&mut self, voter: NodeId, could: bool) {
        if let Role::Leader(leader) = &mut self.role {
            if could {
                leader.lacking.remove(voter);
            } else {
                leader.lacking.insert(voter);
            }
        }
    }

    /// The log may lack what this member has acknowledged before: it follows, and neither votes nor stands. Told at a start.
    pub fn abstain(&mut self) {
        self.role = Role::Observer;
    }

    /// The log lacks nothing any more: a voter votes again.
    pub fn votes_again(&mut self, config: &Config) {
        if config.is_voter() && matches!(self.role, Role::Observer) {
            self.role = Role::Follower;
        }
    }

    /// The log goes further now: a pre-candidate asks for votes again, at once.
    pub fn ask_again(&mut self, config: &Config, fx: &mut Effects<Self>) {
        if matches!(self.role, Role::PreCandidate { .. }) {
            self.become_pre_candidate(config, fx);
        }
    }
}
