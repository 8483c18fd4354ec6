//! Decrees as bytes: in entries, in pieces of a snapshot, in frames.

use super::record::flag;
use super::{Reader, WireBody, WireError, Writer};
use crate::members::NodeSet;
use crate::sleep::coverage::Gear;
use crate::sleep::guard::{Decree, Plan};

const PLAN: u8 = 0;
const SWITCH: u8 = 1;
const ROUND: u8 = 2;

impl WireBody for Decree {
    fn write(&self, w: &mut Writer<'_>) {
        match self {
            Self::Plan(Plan { gear, watch, members }) => {
                w.byte(PLAN);
                w.byte(gear_byte(*gear));
                w.number(watch.bits());
                w.number(members.bits());
            }
            Self::Switch { epoch, on } => {
                w.byte(SWITCH);
                w.number(*epoch);
                w.byte((*on).into());
            }
            Self::Round { left } => {
                w.byte(ROUND);
                w.number(left.bits());
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match r.byte()? {
            PLAN => Self::Plan(Plan {
                gear: read_gear(r)?,
                watch: read_set(r)?,
                members: read_set(r)?,
            }),
            SWITCH => Self::Switch {
                epoch: r.number()?,
                on: flag(r)?,
            },
            ROUND => Self::Round { left: read_set(r)? },
            other => return Err(WireError::Kind(other)),
        })
    }
}

pub(super) const fn gear_byte(gear: Gear) -> u8 {
    match gear {
        Gear::Full => 0,
        Gear::Lean => 1,
        Gear::Watch => 2,
    }
}

pub(super) fn read_gear(r: &mut Reader<'_>) -> Result<Gear, WireError> {
    match r.byte()? {
        0 => Ok(Gear::Full),
        1 => Ok(Gear::Lean),
        2 => Ok(Gear::Watch),
        other => Err(WireError::Kind(other)),
    }
}

pub(super) fn read_set(r: &mut Reader<'_>) -> Result<NodeSet, WireError> {
    r.number().map(NodeSet::from_bits)
}
