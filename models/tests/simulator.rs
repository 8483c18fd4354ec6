//! Elections that something goes wrong in: what must hold, and how long it takes, with 200 seeds each.
//!
//! Each row of the table is a scenario in two profiles, `lan` and `wan`: who is there, what must hold, and the harm.
//! The rows `quorum_loss` to `thirty_percent_loss` are those of the partial-connectivity table that the election was
//! designed by. A row whose leader must recover does so within 1.5 T (`lan`) or 2 T (`wan`) of the fault.
//!
//! *Waits for replication*: the constrained election, in which the only voter that sees a majority has a log that is
//! behind. Without a log it is `leader_dies_in_a_star`, which is here.
//!
//! What is found is held against `models/results/simulator.json`: the simulator is exact, so it must be equal on every
//! machine. A failing seed names the command that runs it again with its trace.

mod simulator_scripts;
mod simulator_trial;

use pehra_core::election::Tenure;
use pehra_core::types::Ticks;
use pehra_models::results;
use simulator_trial::Must::{Keep, Lead, Recover};
use simulator_trial::{LAN, Measured, Must, Profile, Row, WAN, World, try_all, voters};

const ONE: Must = Recover { changes: 1 };

/// The table: name, who is there, what must hold, what happens.
macro_rules! rows {
    ($($name:ident: $world:expr, $must:expr, $says:literal;)*) => {
        const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            says: $says,
            world: $world,
            must: $must,
            script: simulator_scripts::$name,
        }),*];
        $(mod $name {
            #[test]
            fn lan() {
                super::row(stringify!($name), &super::LAN);
            }

            #[test]
            fn wan() {
                super::row(stringify!($name), &super::WAN);
            }
        })*
    };
}

fn row(name: &str, profile: &Profile) {
    let row = ROWS.iter().find(|row| row.name == name).expect("it is in the table");
    try_all(row, profile);
}

#[test]
fn the_results_name_exactly_these_rows() {
    let name = |row: &Row, profile: &str| format!("{}, {profile}", row.name.replace('_', " "));
    let names = ROWS
        .iter()
        .flat_map(|row| ["lan", "wan"].map(|profile| name(row, profile)));
    let names: Vec<String> = names.collect();
    results::require_names::<Measured>("simulator", "", &names.iter().map(String::as_str).collect::<Vec<_>>());
}

const TENURE: World = World {
    tenure: Some(Tenure {
        length: Ticks(30_000),
        margin: Ticks(5000),
        strict: true,
    }),
    ..voters(3)
};
const LEASED: World = World {
    leased: true,
    ..voters(3)
};
const OBSERVED: World = World {
    observers: 2,
    ..voters(3)
};

rows! {
    quorum_loss: voters(5), ONE, "only one follower still sees a majority; the leader sees only that one";
    leader_dies_in_a_star: voters(5), ONE, "the leader is dead, and only one follower sees a majority";
    chained: voters(3), Keep, "one follower sees the leader no more, the other sees both";
    two_outliers: voters(5), Keep, "two followers each see only one other follower";
    line_of_five: voters(5), ONE, "a line, with the leader at its end";
    mesh_of_five: voters(5), Keep, "the leader sees three others; the fifth sees all three but not the leader";
    deaf_leader: voters(3), ONE, "the leader speaks and hears nothing";
    deaf_leader_of_five: voters(5), ONE, "the leader speaks and hears nothing";
    deaf_follower: voters(3), Keep, "one follower speaks and hears nothing";
    follower_returns: voters(3), Keep, "a follower is cut off for 12 T and comes back";
    hub_moves: voters(5), Recover { changes: 5 }, "only one node sees a majority, and every 10 T it is another";
    leader_and_successor_die: voters(5), ONE, "the leader and the first in the order die together";
    thirty_percent_loss: voters(3), Lead, "every link loses 30 of 100 messages";
    thirty_percent_loss_of_five: voters(5), Lead, "every link loses 30 of 100 messages";

    leader_vanishes: voters(3), ONE, "the leader's machine loses its power, nobody is told";
    leader_vanishes_of_five: voters(5), ONE, "the leader's machine loses its power, nobody is told";
    leader_is_killed: voters(3), ONE, "the leader's process dies and its peers are told";
    leader_is_killed_of_five: voters(5), ONE, "the leader's process dies and its peers are told";
    leader_is_killed_with_lease: LEASED, ONE, "the same with leases on: the promise is waited out";
    leader_isolated_and_back: voters(5), ONE, "the leader is cut off, and mended after 10 T";
    mute_leader: voters(3), ONE, "the leader hears and cannot be heard";
    mute_follower: voters(3), Keep, "one follower hears and cannot be heard";
    flapping_follower: voters(3), Keep, "the link between leader and one follower comes and goes";
    flapping_leader: voters(5), Lead, "all links of the leader come and go together";
    one_way_pair: voters(5), Keep, "one follower hears the leader, who does not hear it";
    wrong_hint: voters(3), Keep, "one follower is told that the leader went, who did not";
    slow_disks: voters(3), ONE, "every disk takes up to a twelfth of T, and the leader vanishes";
    successor_with_dead_disk: voters(5), ONE, "the leader vanishes, and the disk of the first in the order stands still";
    stalled_disk_of_leader: voters(3), Keep, "the leader's disk stands still: it has nothing to write";
    full_disk_of_leader: voters(3), ONE, "the leader's store runs out of space";
    clocks_apart: voters(5), Keep, "clocks run apart by a tenth either way";
    clocks_apart_and_a_death: voters(5), ONE, "clocks run apart by a twentieth either way, and the leader vanishes";
    short_pause: voters(3), Keep, "the leader's process is frozen for less than T / 2";
    long_pause: voters(3), ONE, "the leader's process is frozen for 10 T";
    paused_follower: voters(3), Keep, "a follower's process is frozen for 10 T";
    all_pause: voters(3), ONE, "every process is frozen for 10 T at the same time";
    restart_of_all: voters(3), ONE, "every process dies, and all start again";
    restart_of_all_of_five: voters(5), ONE, "every process dies, and all start again";
    rolling_restart: voters(3), Recover { changes: 3 }, "one process after the other is restarted, the leader's last";
    follower_restarts: voters(3), Keep, "a follower's process dies and starts again at once";
    majority_lost_and_back: voters(5), ONE, "three of five die, later one of them starts again";
    one_by_one: voters(5), ONE, "all are down; two start and nobody leads, a third and one leads, the others follow";
    store_lost: voters(5), ONE, "a follower's store is lost, and the leader vanishes";
    messages_repeat_and_overtake: voters(5), ONE, "messages take up to T / 50, a fifth arrives twice; the leader vanishes";
    resigns: voters(3), ONE, "the leader is asked to resign";
    transfers: voters(3), ONE, "the leader is asked to hand over to a follower";
    // Without leases a hand-over that failed may still come true when the follower wakes: it was asked to stand.
    transfers_to_the_dead: voters(3), Lead, "the leader is asked to hand over to a follower that is frozen";
    drains: voters(3), ONE, "the leader is drained";
    drained_followers: voters(5), ONE, "two followers are drained, and the leader vanishes";
    tenure_ends: TENURE, Lead, "leaderships end after 30 s by handing over";
    observers_come_and_go: OBSERVED, Keep, "observers die, are cut off and start again";
    leader_vanishes_before_observers: OBSERVED, ONE, "the leader vanishes before two observers";
    chaos: voters(3), Lead, "everything at random for 30 T, while clients ask; then calm: a leader in time";
    chaos_of_five: voters(5), Lead, "everything at random for 30 T, while clients ask; then calm: a leader in time";
    chaos_with_leases: LEASED, Lead, "everything at random for 30 T, while clients ask; then calm: a leader in time";
    asked_all_the_time: voters(3), Recover { changes: 3 }, "clients ask everybody who leads, while leaders freeze and are killed";
    asked_while_clocks_part: voters(3), ONE, "the leader's clock is slow and the others' fast, by a tenth; it is cut off while clients ask";
    leased_while_clocks_part: LEASED, ONE, "the same with leases";
    asked_with_leases: LEASED, Recover { changes: 3 }, "the same with leases";
}
