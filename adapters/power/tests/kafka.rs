//! A real Kafka broker as a process: started, found again, put down cleanly, up again.

use std::fs;
use std::time::{Duration, Instant};

use pehra_power::config::ProcessConfig;
use pehra_power::{Exit, Process, Started, Stopped};
use pehra_testbed::kafka::cluster::{ClusterOptions, KafkaCluster};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_real_broker_goes_down_cleanly_comes_up_again_and_is_found_by_the_next_agent() {
    let began = Instant::now();
    let mut cluster = KafkaCluster::start(&ClusterOptions {
        controllers: 1,
        brokers: 1,
        ..ClusterOptions::default()
    });
    cluster.stop(1).expect("it ends by itself");
    println!("a cluster after {:?}", began.elapsed());

    let folder = tempfile::tempdir().expect("a folder");
    let command = cluster.broker_command(1);
    let text = |text: &std::ffi::OsStr| text.to_str().expect("UTF-8").to_owned();
    let config = ProcessConfig {
        command: std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(text)
            .collect(),
        directory: None,
        environment: command
            .get_envs()
            .filter_map(|(key, value)| Some((text(key), text(value?))))
            .collect(),
        log: folder.path().join("broker.log"),
        pid_file: folder.path().join("broker.pid"),
    };
    let log = || fs::read_to_string(&config.log).unwrap_or_default();
    let serves = async |times: usize| {
        let began = Instant::now();
        while log().matches("Transition from STARTING to STARTED").count() < times {
            assert!(began.elapsed() < PATIENCE, "it does not serve:\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!("start {times}: it serves after {:?}", began.elapsed());
    };

    let process = Process::open(config.clone()).await.expect("nobody runs");
    assert_eq!(process.start().await, Ok(Started::Now));
    serves(1).await;
    let next = Process::open(config.clone()).await.expect("it is found");
    assert_eq!(next.pid(), process.pid());
    assert_eq!(next.start().await, Ok(Started::WasUp));

    let stopped = process.stop(PATIENCE).await;
    println!("stopped: {stopped:?}");
    assert!(
        matches!(stopped, Ok(Stopped::Clean(_))),
        "Java ends with 143: {stopped:?}"
    );
    assert!(
        log().contains("The controller has asked us to exit controlled shutdown"),
        "{}",
        log()
    );
    assert_eq!(
        next.ended().await,
        Exit::Unseen,
        "who did not start it sees that it is gone, and not how"
    );

    assert_eq!(next.start().await, Ok(Started::Now));
    serves(2).await;
    assert_eq!(next.kill().await, Ok(Stopped::Killed(Exit::Signal(9))));
    println!("all in {:?}", began.elapsed());
}
