//! From household to cloud with real processes, killed, cut off and restarted; afterwards the sender's own ledger must
//! equal the cloud's store to the milliwatt-second. Run with `--test-threads=1`: the machine is small.

mod common;

use common::{Demo, pause};
use pehra_testbed::kafka::Kafka;
use pehra_testbed::proxy::{Direction, Proxy};
use pehra_testbed::redis::{Redis, RedisOptions};

/// Kills of edge and cloud at named and at random points, over three seeds.
#[test]
fn kills_of_edge_and_cloud_lose_nothing_and_count_nothing_twice() {
    let (mut edge, mut cloud) = (0, 0);
    for seed in ["11", "12", "13"] {
        let account = Demo::start(&["--seconds", "12", "--chaos", "--seed", seed]).account();
        account.require_exact();
        assert!(account.number("min_backlog_at_kill") > 0);
        edge += account.number("kills_edge");
        cloud += account.number("kills_cloud");
    }
    assert!(
        edge >= 20 && cloud >= 20,
        "too few kills to say anything: edge {edge}, cloud {cloud}"
    );
}

/// The same over NNG's own library on both ends.
#[cfg(feature = "libnng")]
#[test]
fn kills_lose_nothing_over_libnng_either() {
    let account = Demo::start(&["--seconds", "10", "--chaos", "--seed", "14", "--transport", "libnng"]).account();
    account.require_exact();
}

#[test]
fn sqlite_keeps_the_cloud_where_there_is_no_redis() {
    let account = Demo::start(&["--seconds", "10", "--chaos", "--seed", "15", "--no-redis"]).account();
    account.require_exact();
}

#[test]
fn a_thousand_readings_a_second_pass_without_chaos() {
    let account = Demo::start(&["--seconds", "6", "--seed", "16"]).account();
    account.require_exact();
    assert!(account.number("readings") >= 6000, "{}", account.0);
}

#[test]
fn a_link_that_is_cut_and_one_that_is_half_open_lose_nothing() {
    let [cloud_heartbeat, cloud_data] = [0; 2].map(|_| pehra_testbed::process::free_port());
    let heartbeat = Proxy::start(([127, 0, 0, 1], cloud_heartbeat).into());
    let data = Proxy::start(([127, 0, 0, 1], cloud_data).into());
    let ports = format!("{cloud_heartbeat},{cloud_data}");
    let via = format!("{},{}", heartbeat.address().port(), data.address().port());
    let demo = Demo::start(&["--seconds", "15", "--seed", "17", "--ports", &ports, "--via", &via]);
    pause(2500);
    for _ in 0..3 {
        for proxy in [&heartbeat, &data] {
            proxy.refuse();
            proxy.cut();
        }
        pause(700);
        for proxy in [&heartbeat, &data] {
            proxy.resume();
        }
        pause(1300);
    }
    // Nothing comes through and nobody says so: only heartbeats can tell.
    for proxy in [&heartbeat, &data] {
        proxy.stall(Direction::FromTarget);
    }
    pause(3000);
    for proxy in [&heartbeat, &data] {
        proxy.cut();
        proxy.resume();
    }
    let account = demo.account();
    account.require_exact();
    assert!(
        account.number("resent") > 0,
        "nothing was sent again, so nothing was cut: {}",
        account.0
    );
}

#[test]
fn a_redis_that_is_killed_and_restarted_loses_nothing() {
    let mut redis = Redis::start(RedisOptions::default());
    let url = redis.url();
    let demo = Demo::start(&["--seconds", "12", "--seed", "18", "--redis", &url]);
    for _ in 0..3 {
        pause(2500);
        redis.kill9();
        pause(500);
        redis.restart();
    }
    demo.account().require_exact();
}

#[test]
fn a_real_kafka_that_is_stopped_and_killed_loses_nothing() {
    let mut kafka = Kafka::start();
    let brokers = kafka.brokers();
    let demo = Demo::start(&["--seconds", "25", "--seed", "19", "--kafka", &brokers]);
    pause(6000);
    kafka.stop();
    kafka.restart();
    pause(4000);
    kafka.kill9();
    kafka.restart();
    demo.account().require_exact();
}
