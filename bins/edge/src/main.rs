//! The edge: reads readings from Kafka, makes windows, keeps them in a durable outbox, delivers them to the cloud.

mod config;
mod counters;
mod shell;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use pehra_core::pipeline::{Content, Pipeline, Taken};
use pehra_core::types::{Household, NodeId, RequestId};
use pehra_core::window::{Reading, Take};
use pehra_driver::{End, Mail, Mailbox, Options, mailbox, run, stops};
use pehra_kafka::{Cluster, Fetched, Source};
use pehra_nng::{LinkEvent, Requester};
use pehra_sqlite::EdgeStore;
use tokio::sync::{mpsc, watch};

use crate::config::{Args, Settings};
use crate::counters::Counters;
use crate::shell::EdgeShell;

/// The cloud, as core names it.
const CLOUD: NodeId = NodeId(0);

/// Letters that may wait for the node; beyond that Kafka waits.
const MAILBOX: usize = 4096;

fn main() -> ExitCode {
    let args = Args::parse();
    let settings = match Settings::resolve(args) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("pehra-edge: {problem}");
            return ExitCode::from(2);
        }
    };
    if settings.check_config {
        println!("{settings:#?}\nconfiguration is sound");
        return ExitCode::SUCCESS;
    }
    config::start_logging(settings.log_text);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pehra-edge: cannot start its threads: {error}");
            return ExitCode::from(1);
        }
    };
    let outcome = runtime.block_on(work(settings));
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tracing::error!(problem, "the edge ends");
            eprintln!("pehra-edge: {problem}");
            ExitCode::from(1)
        }
    }
}

async fn work(settings: Settings) -> Result<(), String> {
    if settings.control {
        stops::listen();
    }
    let counters = Arc::new(Counters::default());
    let (letters, inbox) = mailbox::<Pipeline>(MAILBOX);
    let (steer, steered) = mpsc::channel(1024);
    let (stand, positions) = watch::channel(Vec::new());
    let (stop, stopping) = watch::channel(false);

    let (heartbeats, beat_links) = Requester::connect(&settings.heartbeat, settings.transport()).map_err(show)?;
    let (data, data_links) = Requester::connect(&settings.data, settings.transport()).map_err(show)?;
    tokio::spawn(ignore_links(beat_links));
    tokio::spawn(tell_links(data_links, letters.clone()));
    if let Some(address) = settings.metrics {
        let counters = Arc::clone(&counters);
        let listener = pehra_web::bind(address).await.map_err(show)?;
        tokio::spawn(pehra_web::serve_metrics(listener, move || counters.render()));
    }

    tokio::spawn(make_topics(settings.kafka(), settings.topics()));
    let source = Source::new(settings.kafka(), settings.topic.clone(), positions, steered);
    let reader = letters.clone();
    let seen = Arc::clone(&counters);
    let reading = tokio::spawn(source.run(move |fetched| {
        let (reader, seen) = (reader.clone(), Arc::clone(&seen));
        async move {
            seen.records.add(1);
            let (tag, taken) = taken(fetched);
            reader.send(Mail::Command(RequestId(tag), taken)).await.is_ok()
        }
    }));
    tokio::spawn(async move {
        if let Ok(Err(error)) = reading.await {
            tracing::error!(%error, "reading from Kafka has ended");
        }
    });
    tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("asked to stop");
        let _ = stop.send(true);
    });

    let publisher = settings.publisher()?;
    let recorder = settings.recorder()?;
    let config = settings.pipeline(CLOUD);
    let mut shell = EdgeShell::new(
        settings.name,
        heartbeats,
        data,
        letters,
        steer,
        stand,
        Arc::clone(&counters),
        publisher,
        recorder,
    );
    let database = settings.database.clone();
    let open = move || EdgeStore::open(&database);
    tracing::info!(name = %settings.name, database = %settings.database.display(), kafka = settings.brokers,
        heartbeat = %settings.heartbeat, data = %settings.data, "the edge starts");
    match run(&config, Options::deployed("edge"), open, &mut shell, inbox, stopping).await {
        End::Stopped => Ok(()),
        End::Fault(broken) => Err(format!(
            "an invariant is broken: {broken}. Nothing was sent after it; keep {} and report this",
            settings.database.display()
        )),
    }
}

fn show(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A record of Kafka as core takes it.
fn taken(fetched: Fetched) -> (u64, Taken) {
    let Fetched {
        tag,
        partition,
        before,
        after,
        timestamp_ms,
        payload,
    } = fetched;
    let content = match payload {
        None => Content::Gone,
        Some(bytes) => match read(&bytes, timestamp_ms) {
            Some(reading) => Content::Reading(Take {
                reading,
                now_ms: timestamp_ms,
            }),
            None => Content::Unreadable(bytes),
        },
    };
    (
        tag.0,
        Taken {
            partition,
            before,
            after,
            content,
        },
    )
}

fn read(bytes: &[u8], timestamp_ms: i64) -> Option<Reading> {
    let reading = pehra_households::record::parse(bytes, timestamp_ms)
        .inspect_err(|error| tracing::debug!(%error, "a record was set aside"))
        .ok()?;
    let household = Household::new(&reading.household)?;
    Some(Reading {
        household,
        time_ms: reading.time_ms,
        power_mw: reading.power_mw,
        register: reading.register,
    })
}

async fn tell_links(mut links: mpsc::Receiver<LinkEvent>, letters: Mailbox<Pipeline>) {
    while let Some(event) = links.recv().await {
        let up = match event {
            LinkEvent::Up { .. } => true,
            LinkEvent::Down { why } => {
                tracing::info!(why = %why, "no connection to the cloud");
                false
            }
        };
        if letters.send(Mail::Link { peer: CLOUD, up }).await.is_err() {
            return;
        }
    }
}

/// Makes the topics that are not there, as soon as a broker answers.
async fn make_topics(cluster: Cluster, topics: Vec<(String, i32)>) {
    for (topic, partitions) in topics {
        loop {
            let (there, name) = (cluster.clone(), topic.clone());
            let made = tokio::task::spawn_blocking(move || {
                pehra_kafka::ensure_topic(&there, &name, partitions, Duration::from_secs(5))
            });
            match made.await {
                Ok(Ok(())) | Err(_) => break,
                Ok(Err(error)) => tracing::debug!(%error, "the topic is not known to be there yet"),
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}

async fn ignore_links(mut links: mpsc::Receiver<LinkEvent>) {
    while links.recv().await.is_some() {}
}

async fn stop_signal() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
