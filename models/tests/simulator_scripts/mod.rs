//! What happens in each row of the table: a function of the same name.

mod chaos;
mod commands;
mod links;
mod machines;

use pehra_models::simulator::Failure;

pub use chaos::{chaos, chaos_of_five, chaos_with_leases};
pub use commands::{
    asked_all_the_time, asked_while_clocks_part, asked_with_leases, drained_followers, drains,
    leased_while_clocks_part, resigns, tenure_ends, transfers, transfers_to_the_dead,
};
pub use links::{
    chained, deaf_follower, deaf_leader, deaf_leader_of_five, flapping_follower, flapping_leader, follower_returns,
    hub_moves, leader_dies_in_a_star, leader_isolated_and_back, line_of_five, mesh_of_five,
    messages_repeat_and_overtake, mute_follower, mute_leader, one_way_pair, quorum_loss, thirty_percent_loss,
    thirty_percent_loss_of_five, two_outliers,
};
use machines::drift;
pub use machines::{
    all_pause, clocks_apart, clocks_apart_and_a_death, follower_restarts, full_disk_of_leader,
    leader_and_successor_die, leader_is_killed, leader_is_killed_of_five, leader_is_killed_with_lease, leader_vanishes,
    leader_vanishes_before_observers, leader_vanishes_of_five, long_pause, majority_lost_and_back,
    observers_come_and_go, one_by_one, paused_follower, restart_of_all, restart_of_all_of_five, rolling_restart,
    short_pause, slow_disks, stalled_disk_of_leader, store_lost, successor_with_dead_disk, wrong_hint,
};

/// How a script ends: well, or with what it found.
pub type Run = Result<(), Failure>;
