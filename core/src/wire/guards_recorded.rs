//! What the flight recorder needs to know of guard duty.

use alloc::vec::Vec;

use super::decrees::{gear_byte, read_gear, read_set};
use super::record::{Vocabulary, flag};
use super::{Reader, Replayable, WireError, Writer, decode_sleep, encode_sleep};
use crate::election::Election;
use crate::replication::{Durable, LogId, Query, Rows};
use crate::sleep::Sleep;
use crate::sleep::cover::{Cover, View};
use crate::sleep::guard::{self, Decree, Order, Timing, WakeRule};
use crate::sleep::member::{Command, Config, Decrees, Message, Timer};
use crate::types::{NodeId, Ticks};

type Ballots = Election<LogId>;

/// Timers of guard duty come after all of the election, whose last is that of member 63.
const GUARD_TIMERS: u8 = 128;

impl Vocabulary for Sleep {
    fn write_message(w: &mut Writer<'_>, message: &Message) {
        let mut frame = Vec::new();
        encode_sleep(message, &mut frame);
        w.bytes(&frame);
    }

    fn read_message(bytes: &[u8]) -> Result<Message, WireError> {
        decode_sleep(bytes)
    }

    fn timer_byte(timer: Timer) -> u8 {
        let of_guard = match timer {
            Timer::Election(timer) => return Ballots::timer_byte(timer).min(GUARD_TIMERS.saturating_sub(1)),
            Timer::Guard(timer) => timer,
        };
        let nth = match of_guard {
            guard::Timer::Idle => 0,
            guard::Timer::Tell => 1,
            guard::Timer::Probe => 2,
            guard::Timer::Alarm => 3,
            guard::Timer::Drain => 4,
            guard::Timer::Rouse => 5,
            guard::Timer::Wake => 6,
            guard::Timer::Answer => 7,
        };
        GUARD_TIMERS.saturating_add(nth)
    }

    fn timer(byte: u8) -> Option<Timer> {
        let Some(nth) = byte.checked_sub(GUARD_TIMERS) else {
            return Ballots::timer(byte).map(Timer::Election);
        };
        let timer = match nth {
            0 => guard::Timer::Idle,
            1 => guard::Timer::Tell,
            2 => guard::Timer::Probe,
            3 => guard::Timer::Alarm,
            4 => guard::Timer::Drain,
            5 => guard::Timer::Rouse,
            6 => guard::Timer::Wake,
            7 => guard::Timer::Answer,
            _ => return None,
        };
        Some(Timer::Guard(timer))
    }

    fn write_command(w: &mut Writer<'_>, command: &Command) {
        match command {
            Command::Election(command) => {
                w.byte(0);
                Ballots::write_command(w, command);
            }
            Command::Order(order) => {
                w.byte(1);
                write_order(w, order);
            }
        }
    }

    fn read_command(r: &mut Reader<'_>) -> Result<Command, WireError> {
        Ok(match r.byte()? {
            0 => Command::Election(Ballots::read_command(r)?),
            1 => Command::Order(read_order(r)?),
            other => return Err(WireError::Kind(other)),
        })
    }

    fn write_fetched(w: &mut Writer<'_>, query: &Query, rows: &Rows<Decree>) {
        Decrees::write_fetched(w, query, rows);
    }

    fn read_fetched(r: &mut Reader<'_>) -> Result<(Query, Rows<Decree>), WireError> {
        Decrees::read_fetched(r)
    }

    fn write_durable(w: &mut Writer<'_>, durable: &Durable) {
        Decrees::write_durable(w, durable);
    }

    fn read_durable(r: &mut Reader<'_>) -> Result<Durable, WireError> {
        Decrees::read_durable(r)
    }
}

fn write_order(w: &mut Writer<'_>, order: &Order) {
    match order {
        Order::Traffic => w.byte(0),
        Order::View(View {
            covers,
            sleepers,
            healthy,
        }) => {
            w.byte(1);
            w.count(covers.len());
            for Cover { among, others, need } in covers {
                w.number(among.bits());
                w.number(others.bits());
                w.byte(*need);
            }
            w.number(sleepers.bits());
            w.byte((*healthy).into());
        }
        Order::Blind => w.byte(2),
        Order::Stopped => w.byte(3),
        Order::Up => w.byte(4),
        Order::Down => w.byte(5),
        Order::Fit(fit) => {
            w.byte(6);
            w.byte((*fit).into());
        }
        Order::Wake => w.byte(7),
        Order::WakeAll => w.byte(8),
        Order::StayAwake(on) => {
            w.byte(9);
            w.byte((*on).into());
        }
        Order::Enable { epoch } => {
            w.byte(10);
            w.number(*epoch);
        }
        Order::Disable => w.byte(11),
        Order::Maintain(nodes) => {
            w.byte(12);
            w.number(nodes.bits());
        }
        Order::Done => w.byte(13),
    }
}

fn read_order(r: &mut Reader<'_>) -> Result<Order, WireError> {
    Ok(match r.byte()? {
        0 => Order::Traffic,
        1 => Order::View(View {
            covers: (0..r.count()?).map(|_| read_cover(r)).collect::<Result<_, _>>()?,
            sleepers: read_set(r)?,
            healthy: flag(r)?,
        }),
        2 => Order::Blind,
        3 => Order::Stopped,
        4 => Order::Up,
        5 => Order::Down,
        6 => Order::Fit(flag(r)?),
        7 => Order::Wake,
        8 => Order::WakeAll,
        9 => Order::StayAwake(flag(r)?),
        10 => Order::Enable { epoch: r.number()? },
        11 => Order::Disable,
        12 => Order::Maintain(read_set(r)?),
        13 => Order::Done,
        other => return Err(WireError::Kind(other)),
    })
}

fn read_cover(r: &mut Reader<'_>) -> Result<Cover, WireError> {
    Ok(Cover {
        among: read_set(r)?,
        others: read_set(r)?,
        need: r.byte()?,
    })
}

impl Replayable for Sleep {
    const NAME: &'static str = "sleep";

    fn encode_config(config: &Config, buffer: &mut Vec<u8>) {
        let mut log = Vec::new();
        Decrees::encode_config(&config.log, &mut log);
        let w = &mut Writer(buffer);
        w.bytes(&log);
        let duty = &config.guard;
        w.number(duty.me.0.into());
        w.number(duty.voters.bits());
        w.number(duty.brokers.bits());
        w.byte(duty.voter_spare);
        w.byte(gear_byte(duty.gear));
        w.byte((duty.wake == WakeRule::All).into());
        w.byte(duty.disable_on_traffic.into());
        w.byte(duty.stay_awake.into());
        let Timing {
            idle,
            tell,
            probe,
            drain,
            alarm,
            rouse,
            answer,
            wake,
        } = duty.timing;
        [idle, tell, probe, drain, alarm, rouse, answer, wake]
            .iter()
            .for_each(|ticks| w.number(ticks.0.into()));
        w.number(config.snapshot_every.into());
    }

    fn decode_config(bytes: &[u8]) -> Result<Config, WireError> {
        let mut r = Reader(bytes);
        let log = Decrees::decode_config(r.bytes()?)?;
        let guard = read_duty(&mut r)?;
        let snapshot_every = r.small()?;
        r.end()?;
        Ok(Config {
            log,
            guard,
            snapshot_every,
        })
    }
}

fn read_duty(r: &mut Reader<'_>) -> Result<guard::Config, WireError> {
    Ok(guard::Config {
        me: NodeId(r.small()?),
        voters: read_set(r)?,
        brokers: read_set(r)?,
        voter_spare: r.byte()?,
        gear: read_gear(r)?,
        wake: if flag(r)? { WakeRule::All } else { WakeRule::Needed },
        disable_on_traffic: flag(r)?,
        stay_awake: flag(r)?,
        timing: Timing {
            idle: Ticks(r.small()?),
            tell: Ticks(r.small()?),
            probe: Ticks(r.small()?),
            drain: Ticks(r.small()?),
            alarm: Ticks(r.small()?),
            rouse: Ticks(r.small()?),
            answer: Ticks(r.small()?),
            wake: Ticks(r.small()?),
        },
        #[cfg(seeded_bugs)]
        bug: None,
    })
}
