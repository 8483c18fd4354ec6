//! What must hold in every state.

mod on_kafka;

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Role, Stage, State as Broker, Timer};
use pehra_core::types::NodeId;
use stateright::Property;

use super::state::State;
use super::world::World;

/// One right to grant.
pub const S1: &str = "sleep/S1 only the leader of a term grants in it";
/// Nobody else watches.
pub const WATCHES: &str = "sleep/S1 nobody watches but the leader of its term";
/// Only by a grant for this moment.
pub const S2: &str =
    "sleep/S2 nobody goes down but by a grant of its Pehredar, under the latest plan that it knows, with its lock";
/// Coverage.
pub const S3: &str =
    "sleep/S3 every partition has as many in-sync copies awake as it needs, but for those that crashed";
/// Coverage, at the moment that counts.
pub const S3_NOW: &str = "sleep/S3 nobody goes down whom those who stay awake do not cover at that moment";
/// What Kafka has come to by it.
pub const S3_STOP: &str = "sleep/S3 a stop leaves every partition as many in-sync copies on brokers that run as it needs, but for those that crashed or lag";
/// The same, in every state.
pub const S3_KAFKA: &str = "sleep/S3 every partition has as many in-sync copies on brokers that run as it needs, but for those that crashed or lag";
/// The moment of looking.
pub const S3_LOOKED: &str = "sleep/S3 whoever goes down has looked at the cluster since it was granted";
/// What a promise is worth.
pub const S3_UP: &str =
    "sleep/S3 whoever says that it is up has a broker that runs, and unless copies lag is in sync everywhere";
/// Writes.
pub const S3_WRITES: &str = "sleep/S3 writes with acks=all are refused only after a crash, or while copies lag";
/// How they sleep.
pub const S5_CLEAN: &str = "sleep/S5 whoever sleeps has stopped its broker cleanly";
/// Voters.
pub const S4: &str = "sleep/S4 a majority of the voters is awake";
/// Wakes wake.
pub const S6: &str = "sleep/S6 whatever wakes takes a sleeper out of its sleep";
/// Not while it is needed.
pub const S7: &str = "sleep/S7 nobody grants or accepts who was needed a moment ago, or knows a reason against";
/// Temporary ones only wake.
pub const S8: &str = "sleep/S8 whoever is no Pehredar grants nothing";
/// One at a time.
pub const S9: &str = "sleep/S9 in a term at most one is on its way to sleep or in maintenance";
/// Late orders.
pub const S10: &str =
    "sleep/S10 what was granted before a wake, traffic or another plan leads nobody to sleep after it";
/// Alarm.
pub const S12: &str = "sleep/S12 every sleeper has its alarm clock armed";
/// Switch.
pub const S13: &str = "sleep/S13 only an order with a higher epoch switches on";
/// A round of maintenance.
pub const L6_ONCE: &str = "sleep/L6 a round of maintenance visits nobody twice, where no call to wake comes late";
/// Core's own.
pub const CHECK: &str = "sleep/check invariants of all members";

/// What single steps can break, as bits of a ghost.
pub mod broken {
    use pehra_core::protocol::Input;
    use pehra_core::sleep::guard::{
        Claim, Command, Decree, Guard, Message, News, Notice, Order, Plan, Purpose, Role, Stage, State as Broker, Timer,
    };
    use pehra_core::types::NodeId;

    use crate::site::Said;
    use crate::sleep::state::State;
    use crate::sleep::world::World;

    pub(in crate::sleep) const S1: u16 = 1;
    pub(in crate::sleep) const S2: u16 = 2;
    pub(in crate::sleep) const S6: u16 = 4;
    pub(in crate::sleep) const S7: u16 = 8;
    pub(in crate::sleep) const S8: u16 = 16;
    pub(in crate::sleep) const S13: u16 = 32;
    pub(in crate::sleep) const S10: u16 = 64;
    pub(in crate::sleep) const S3_NOW: u16 = 128;
    pub(in crate::sleep) const S3_STOP: u16 = 256;
    pub(in crate::sleep) const S3_LOOKED: u16 = 512;
    pub(in crate::sleep) const L6_ONCE: u16 = 1024;

    /// Of a member that lives on. Judged from outside: by the log, the leaders and what was known before, not by the code's own
    /// reasons.
    pub(in crate::sleep) fn of_step(
        world: &World,
        state: &State,
        member: u8,
        before: &Guard,
        input: Option<&Input<Guard>>,
        said: &[Said<Guard>],
    ) -> u16 {
        let Some(input) = input else {
            return 0;
        };
        let after = state.guard(member);
        let mut broken = 0;
        let mut must = |holds: bool, bit: u16| {
            if !holds {
                broken |= bit;
            }
        };
        for one in said {
            if let Said::Claim(_, Claim::Grant { purpose, plan, .. }) = one {
                let leader = state.leaders.get(usize::try_from(plan.term.0).expect("few") - 1);
                must(leader == Some(&member), S1);
                must(matches!(before.role(), Role::Pehredar(_)), S8);
                if let (Purpose::Sleep, Role::Pehredar(watch)) = (purpose, after.role()) {
                    let (_, on) = after.switch();
                    must(
                        on && after.is_idle() && after.round().is_empty() && watch.rousing().is_empty(),
                        S7,
                    );
                }
            }
        }
        let goes_down = matches!(before.state(), Broker::Active | Broker::Ringing)
            && matches!(
                after.state(),
                Broker::Draining { .. } | Broker::Sleeping | Broker::Maintenance
            );
        if goes_down {
            must(is_right(state, member, before, input), S2);
            let purpose_is_sleep = !matches!(after.state(), Broker::Maintenance);
            if purpose_is_sleep {
                must(before.is_idle() && before.switch().1 && before.round().is_empty(), S7);
            }
        }
        if wakes(input) {
            must(before.lock() == 0 || after.lock() != before.lock(), S10);
        }
        if depth(after.state()) > depth(before.state()) && depth(after.state()) > 1 {
            let around = state.at(member);
            must(around.heard && around.granted == around.term, S10);
            must(world.covers_without(state, member), S3_NOW);
            let told = matches!(input, Input::Commanded(_, Command::Order(Order::View(_))));
            must(!(told && around.looked_before), S3_LOOKED);
        }
        if wakes(input) && before.state() == Broker::Sleeping {
            must(after.state() != Broker::Sleeping, S6);
        }
        if !before.switch().1 && after.switch().1 {
            let higher =
                |decree: &Decree| matches!(decree, Decree::Switch { epoch, on: true } if *epoch > before.switch().0);
            let ordered =
                matches!(input, Input::Commanded(_, Command::News(News::Decided { decree, .. })) if higher(decree));
            must(ordered, S13);
        }
        broken
    }

    fn is_right(state: &State, member: u8, before: &Guard, input: &Input<Guard>) -> bool {
        let Input::Received {
            from,
            message: Message::Claim(Claim::Grant {
                plan, lock, purpose, ..
            }),
        } = input
        else {
            return false;
        };
        let around = state.at(member);
        let leader = around
            .term
            .checked_sub(1)
            .and_then(|at| state.leaders.get(usize::from(at)));
        let of_its_pehredar = around.heard && leader.map(|leader| NodeId((*leader).into())) == Some(*from);
        let is_free = |plan: Plan| *purpose == Purpose::Maintenance || !plan.watch.contains(id_of(member));
        let known = World::plan_known(state, member);
        let under_its_plan = known.is_some_and(|(id, known)| id == *plan && is_free(known));
        of_its_pehredar && under_its_plan && *lock != 0 && *lock == before.lock()
    }

    fn id_of(member: u8) -> NodeId {
        NodeId(member.into())
    }

    /// How far on its way down.
    const fn depth(broker: Broker) -> u8 {
        match broker {
            Broker::Active | Broker::Ringing | Broker::Waking | Broker::Maintenance => 0,
            Broker::Draining {
                stage: Stage::Looking, ..
            } => 1,
            Broker::Draining {
                stage: Stage::Stopping, ..
            } => 2,
            // Whoever rings is down already, and is granted to stay there.
            Broker::Draining {
                stage: Stage::Settling, ..
            } => 1,
            Broker::Sleeping => 3,
        }
    }

    fn wakes(input: &Input<Guard>) -> bool {
        matches!(
            input,
            Input::Received {
                message: Message::Notice(Notice::Wake { .. }),
                ..
            } | Input::Fired(Timer::Alarm)
                | Input::Paused
                | Input::Commanded(_, Command::Order(Order::Wake | Order::Traffic))
        )
    }
}

/// Brokers whose machine or process is down, or about to be.
fn going_down(state: &State, member: u8) -> bool {
    match state.guard(member).state() {
        Broker::Sleeping => true,
        Broker::Draining { stage, .. } => stage != Stage::Looking,
        Broker::Active | Broker::Ringing | Broker::Waking | Broker::Maintenance => false,
    }
}

fn covered(world: &World, state: &State) -> bool {
    let bounds = world.bounds();
    let awake = state.awake(bounds.brokers);
    let crashed = u32::from(bounds.crashes - if state.calm { 0 } else { state.left.crashes });
    let worked_on = world
        .members()
        .filter(|member| state.guard(*member).state() == Broker::Maintenance)
        .count();
    let excused = crashed + u32::from(worked_on > 0);
    bounds.partitions.iter().all(|copies| {
        let need = match bounds.gear {
            Gear::Watch => 1,
            Gear::Full | Gear::Lean => u32::from(copies.in_sync_min),
        };
        copies.replicas.and(awake).count() + excused >= need
    })
}

pub(super) fn all(world: &World) -> Vec<Property<World>> {
    let bounds = world.bounds();
    let unbroken = |bit: u16, name: &'static str| -> Property<World> {
        match bit {
            broken::S1 => Property::always(name, |_, state: &State| state.broken & broken::S1 == 0),
            broken::S2 => Property::always(name, |_, state: &State| state.broken & broken::S2 == 0),
            broken::S6 => Property::always(name, |_, state: &State| state.broken & broken::S6 == 0),
            broken::S7 => Property::always(name, |_, state: &State| state.broken & broken::S7 == 0),
            broken::S8 => Property::always(name, |_, state: &State| state.broken & broken::S8 == 0),
            broken::S10 => Property::always(name, |_, state: &State| state.broken & broken::S10 == 0),
            broken::S3_NOW => Property::always(name, |_, state: &State| state.broken & broken::S3_NOW == 0),
            _ => Property::always(name, |_, state: &State| state.broken & broken::S13 == 0),
        }
    };
    let mut all = vec![
        unbroken(broken::S1, S1),
        Property::always(WATCHES, |world: &World, state: &State| {
            world.members().all(|member| {
                let led = usize::try_from(state.guard(member).term().0)
                    .expect("few")
                    .checked_sub(1);
                !matches!(state.guard(member).role(), Role::Pehredar(_))
                    || led.and_then(|at| state.leaders.get(at)) == Some(&member)
            })
        }),
        unbroken(broken::S2, S2),
        Property::always(S3, covered),
        unbroken(broken::S3_NOW, S3_NOW),
        unbroken(broken::S10, S10),
        Property::always(S4, |world: &World, state: &State| {
            let up = world.members().filter(|member| !going_down(state, *member));
            let up: NodeSet = up.map(|member| NodeId(member.into())).collect();
            up.is_majority_of(world.bounds().voters)
        }),
        unbroken(broken::S6, S6),
        unbroken(broken::S7, S7),
        unbroken(broken::S8, S8),
        Property::always(S9, |world: &World, state: &State| {
            (1..=state.top()).all(|term| {
                let on_its_way = |member: &u8| {
                    let state_of = state.guard(*member).state();
                    matches!(state_of, Broker::Draining { .. } | Broker::Maintenance)
                        && state.at(*member).granted == term
                };
                world.members().filter(on_its_way).count() < 2
            })
        }),
        Property::always(S12, |world: &World, state: &State| {
            world.members().all(|member| {
                let site = &state.members[usize::from(member)];
                site.node.state().state() != Broker::Sleeping || site.is_armed(Timer::Alarm)
            })
        }),
        unbroken(broken::S13, S13),
        Property::always(CHECK, |world: &World, state: &State| {
            world.members().all(|member| {
                state.members[usize::from(member)]
                    .node
                    .check(world.config(member))
                    .is_ok()
            })
        }),
    ];
    // Of two voters both stay awake.
    if bounds.voters.count() != 2 {
        all.extend([
            Property::sometimes("one sleeps", |world: &World, state: &State| {
                world
                    .members()
                    .any(|member| state.guard(member).state() == Broker::Sleeping)
            }),
            Property::sometimes("one that slept is up again", |world: &World, state: &State| {
                world
                    .members()
                    .any(|member| state.guard(member).state() == Broker::Active && !state.guard(member).is_idle())
                    || state.left.traffic == world.bounds().traffic
            }),
        ]);
    }
    if let Some(cluster) = &bounds.kafka {
        all.extend(on_kafka::all(bounds, cluster));
    }
    if bounds.rounds > 0 {
        all.push(Property::sometimes(
            "one is worked on",
            |world: &World, state: &State| {
                world
                    .members()
                    .any(|member| state.guard(member).state() == Broker::Maintenance)
            },
        ));
    }
    if bounds.rounds > 0 && bounds.calm_from_start && bounds.without.contains(&Timer::Rouse) {
        all.push(Property::always(L6_ONCE, |_, state: &State| {
            state.broken & broken::L6_ONCE == 0
        }));
    }
    if bounds.terms > 1 && bounds.decrees > 3 && bounds.headroom == 0 {
        all.push(Property::sometimes(
            "one sleeps under a later plan",
            |world: &World, state: &State| {
                let slept =
                    |member: &u8| state.guard(*member).state() == Broker::Sleeping && state.at(*member).granted > 1;
                world.members().any(|member| slept(&member))
            },
        ));
    }
    all
}
