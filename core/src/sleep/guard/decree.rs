//! What a majority of all voters decides: the only ground on which anybody sleeps.

use crate::members::NodeSet;
use crate::replication::Payload;
use crate::sleep::coverage::Gear;

/// Who stays awake, until the next plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plan {
    /// How much stays awake.
    pub gear: Gear,
    /// On duty: each of these promises to stay awake, and counts once it has. All others may be let sleep.
    pub watch: NodeSet,
    /// The brokers that take part. One that is missing here has been silent, and never sleeps before it is back in a plan.
    pub members: NodeSet,
}

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decree {
    /// A new plan.
    Plan(Plan),
    /// An admin's switch, or the Pehredar's own (off only).
    Switch {
        /// Counts the admin's orders. Only a higher one switches on.
        epoch: u64,
        /// On or off.
        on: bool,
    },
    /// The round of maintenance still has to visit these. While there are any, nobody is let sleep.
    Round {
        /// Whom.
        left: NodeSet,
    },
}

impl Payload for Decree {
    fn bytes(&self) -> usize {
        // Of a fixed size in memory, and never more in a frame.
        size_of::<Self>()
    }
}
