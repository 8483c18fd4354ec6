//! The frames of guard duty. Those of the log that it rests on keep their kinds.

use alloc::vec::Vec;

use super::decrees::read_set;
use super::frames::{frame, open};
use super::record::flag;
use super::{Reader, WireError, WirePosition, Writer, decode_log, encode_log};
use crate::replication::{self, LogId};
use crate::sleep::guard::{self, Decree, Doing, Purpose, Standing};
use crate::sleep::member::{Claim, Message, Notice};

const WAKE: u8 = 33;
const TRAFFIC: u8 = 34;
const STANDING: u8 = 35;
const GRANT: u8 = 36;

/// Writes a message between members of PEHRA into `buffer`, which is emptied first.
pub fn encode_sleep(message: &Message, buffer: &mut Vec<u8>) {
    match message {
        Message::Notice(Notice::Log(notice)) => encode_log(&replication::Message::Notice(*notice), buffer),
        Message::Claim(Claim::Log(claim)) => encode_log::<Decree>(&replication::Message::Claim(*claim), buffer),
        Message::Notice(Notice::Guard(guard::Notice::Wake { ticket })) => frame(WAKE, buffer, |w| w.number(*ticket)),
        Message::Notice(Notice::Guard(guard::Notice::Traffic)) => frame(TRAFFIC, buffer, |_| {}),
        Message::Claim(Claim::Guard(guard::Claim::Standing(standing))) => {
            frame(STANDING, buffer, |w| write_standing(w, standing));
        }
        Message::Claim(Claim::Guard(guard::Claim::Grant {
            purpose,
            plan,
            lock,
            counted,
        })) => frame(GRANT, buffer, |w| {
            w.byte(purpose_byte(*purpose));
            plan.write(w);
            w.number(*lock);
            w.number(counted.bits());
        }),
    }
}

/// Reads a message between members of PEHRA.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_sleep(bytes: &[u8]) -> Result<Message, WireError> {
    let (kind, mut r) = open(bytes)?;
    let message = match kind {
        WAKE => of_notice(guard::Notice::Wake { ticket: r.number()? }),
        TRAFFIC => of_notice(guard::Notice::Traffic),
        STANDING => of_claim(guard::Claim::Standing(read_standing(&mut r)?)),
        GRANT => of_claim(guard::Claim::Grant {
            purpose: read_purpose(&mut r)?,
            plan: LogId::read(&mut r)?,
            lock: r.number()?,
            counted: read_set(&mut r)?,
        }),
        _ => {
            return decode_log(bytes).map(|message| match message {
                replication::Message::Notice(notice) => Message::Notice(Notice::Log(notice)),
                replication::Message::Claim(claim) => Message::Claim(Claim::Log(claim)),
            });
        }
    };
    r.end()?;
    Ok(message)
}

const fn of_notice(notice: guard::Notice) -> Message {
    Message::Notice(Notice::Guard(notice))
}

const fn of_claim(claim: guard::Claim) -> Message {
    Message::Claim(Claim::Guard(claim))
}

fn write_standing(w: &mut Writer<'_>, standing: &Standing) {
    let Standing {
        known,
        doing,
        willing,
        busy,
        lock,
        echo,
        carried_out,
    } = standing;
    known.write(w);
    w.byte(match doing {
        Doing::Active => 0,
        Doing::Draining => 1,
        Doing::Asleep => 2,
        Doing::Ringing => 3,
        Doing::Waking => 4,
        Doing::Maintenance => 5,
    });
    w.byte((*willing).into());
    w.byte((*busy).into());
    w.number(*lock);
    w.number(*echo);
    w.byte((*carried_out).into());
}

fn read_standing(r: &mut Reader<'_>) -> Result<Standing, WireError> {
    Ok(Standing {
        known: LogId::read(r)?,
        doing: match r.byte()? {
            0 => Doing::Active,
            1 => Doing::Draining,
            2 => Doing::Asleep,
            3 => Doing::Ringing,
            4 => Doing::Waking,
            5 => Doing::Maintenance,
            other => return Err(WireError::Kind(other)),
        },
        willing: flag(r)?,
        busy: flag(r)?,
        lock: r.number()?,
        echo: r.number()?,
        carried_out: flag(r)?,
    })
}

const fn purpose_byte(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Sleep => 0,
        Purpose::Maintenance => 1,
    }
}

fn read_purpose(r: &mut Reader<'_>) -> Result<Purpose, WireError> {
    match r.byte()? {
        0 => Ok(Purpose::Sleep),
        1 => Ok(Purpose::Maintenance),
        other => Err(WireError::Kind(other)),
    }
}
