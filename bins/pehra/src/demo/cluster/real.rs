//! A real cluster with agents, and clients of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use pehra_asking::{Asking, View, duties, follow};
use pehra_cluster::Cluster;
use pehra_cluster::ask::Ask;
use pehra_kafka_local::{Jars, Layout};
use tokio::sync::watch;

use super::account::Account;
use super::config::{self, BROKERS, Broker};
use super::house::{House, until};
use super::traffic::{TOPIC, Traffic};
use super::{Ending, Options};
use crate::cluster::ordering::{Patience, order};
use crate::cluster::top::wake_all;
use crate::demo::parts::{beside, free_port};

/// How often each node is asked.
const LOOK: Duration = Duration::from_millis(300);
/// How long the end waits for the answers to what was sent.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// How long switching on may take.
const ENABLE_MAX: Duration = Duration::from_secs(30);
/// How long making the topic may take.
const TOPIC_MAX: Duration = Duration::from_secs(30);
/// Each broker has some of them, and leads one at least.
const PARTITIONS: i32 = 6;

/// Why there is none.
pub enum Failed {
    /// Somebody wanted an end.
    Ended,
    /// Kafka could not be fetched.
    Fetching(String),
    /// Anything else.
    Starting(String),
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::Starting(why)
    }
}

pub struct Real {
    pub cluster: Cluster,
    pub traffic: Traffic,
    asking: Asking,
    views: watch::Receiver<Arc<Vec<View>>>,
    house: House,
}

impl Real {
    /// All are up, and may sleep. Nobody is left behind if that fails.
    pub async fn start(options: &Options, fetch: bool, ending: &mut Ending) -> Result<Self, Failed> {
        let bar = bar(options);
        let mut house = House::new(options.keep.as_deref())?;
        let built = Builder {
            options,
            bar: &bar,
            house: &mut house,
            ending,
        };
        let built = built.build(fetch).await;
        bar.finish_and_clear();
        match built {
            Ok((cluster, asking, traffic)) => Ok(Self {
                views: follow(&asking, LOOK),
                cluster,
                traffic,
                asking,
                house,
            }),
            Err(Failed::Starting(why)) => {
                let _ = house.end().await;
                let kept = house.keep();
                Err(format!("{why}\nthe logs of brokers and agents are in {}", kept.display()).into())
            }
            Err(failed) => {
                house.end().await?;
                Err(failed)
            }
        }
    }

    /// How the nodes stand now.
    pub fn views(&mut self) -> Result<Vec<View>, String> {
        self.house.check()?;
        if let Some(why) = self.traffic.ended() {
            return Err(format!("a client of the demo ended: {why}"));
        }
        Ok(self.views.borrow().to_vec())
    }

    pub async fn wake_all(&self) -> String {
        wake_all(&self.asking).await
    }

    /// Waits for the answers to what was sent, ends all, and counts.
    pub async fn end(&mut self, options: &Options, ending: &mut Ending) -> Account {
        self.traffic.set(false);
        options.say("ending: waiting for what was sent and not yet read back (Ctrl-C again: do not wait)");
        let patience = Instant::now() + SETTLE_MAX;
        while !self.traffic.is_settled() && Instant::now() < patience {
            tokio::select! {
                () = ending.wanted() => break,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
        let views = self.views.borrow().to_vec();
        let mut account = Account::default();
        for (_, duty) in duties(&views) {
            account.sleeps += duty.sleeps;
            account.wakes += duty.wakes;
        }
        account.records = Some(self.traffic.records());
        options.say("ending agents, brokers and controllers");
        account.left_behind = self.house.end().await.err();
        account
    }

    /// Keeps the logs, and says where.
    pub fn keep(&mut self) -> PathBuf {
        self.house.keep()
    }
}

/// Puts it up, step by step.
struct Builder<'a> {
    options: &'a Options,
    bar: &'a ProgressBar,
    house: &'a mut House,
    ending: &'a mut Ending,
}

impl Builder<'_> {
    async fn build(mut self, fetch: bool) -> Result<(Cluster, Asking, Traffic), Failed> {
        let program = beside("pehra-broker")?;
        let jars = self.fetch(fetch).await?;
        let began = Instant::now();
        let proxies: Vec<u16> = ports(BROKERS)?;
        self.lay_out(jars, &proxies).await?;
        self.house.start_controllers()?;
        self.say("Kafka's controllers are starting");
        let (house, ending) = (&mut *self.house, &mut *self.ending);
        let up = until("Kafka's controllers serve", ending, || house.controllers_serve()).await?;
        go_on(up)?;
        let cluster = self.write(&proxies)?;
        self.house.start_agents(&program, &cluster)?;
        let (house, ending, bar) = (&mut *self.house, &mut *self.ending, self.bar);
        let up = until("Kafka's brokers serve", ending, || {
            let up = house.brokers_that_serve()?;
            bar.set_message(format!("agents run, and start their brokers: {up} of {BROKERS} serve"));
            Ok(up == BROKERS)
        });
        go_on(up.await?)?;
        self.say("making a topic, connecting clients, switching sleep on");
        let addresses: Vec<String> = proxies.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let clients = pehra_kafka::Cluster::at(addresses.join(","));
        self.make_topic(&clients).await?;
        let asking = Asking::new(&cluster)?;
        let mut patience = Patience::of(ENABLE_MAX);
        order(&asking, &Ask::Enable { epoch: 1 }, &mut patience, |views| {
            duties(views).any(|(_, duty)| duty.on)
        })
        .await?;
        let traffic = Traffic::start(&clients)?;
        self.options.say(&format!(
            "up after {} s; its folder is {}",
            began.elapsed().as_secs(),
            self.house.folder().display()
        ));
        Ok((cluster, asking, traffic))
    }

    fn say(&self, what: &'static str) {
        if self.bar.is_hidden() {
            self.options.say(what);
        } else {
            self.bar.set_message(what);
        }
    }

    /// Kafka itself. Maven hears a Ctrl-C too; if only this process is to end, Maven ends with what it fetches.
    async fn fetch(&mut self, fetch: bool) -> Result<Jars, Failed> {
        if fetch {
            let version = Jars::version();
            let news = format!("fetching Kafka {version} by Maven: about 54 MB, once");
            self.options.say(&news);
            self.bar.set_message(news);
        }
        let fetching = tokio::task::spawn_blocking(Jars::fetch);
        let fetched = tokio::select! {
            () = self.ending.wanted() => return Err(Failed::Ended),
            fetched = fetching => fetched,
        };
        match fetched {
            Ok(Ok(jars)) => Ok(jars),
            Ok(Err(error)) => Err(Failed::Fetching(error.to_string())),
            Err(error) => Err(Failed::Fetching(error.to_string())),
        }
    }

    /// The folders of Kafka's nodes. It takes Java a second or two.
    async fn lay_out(&mut self, jars: Jars, proxies: &[u16]) -> Result<(), Failed> {
        self.say("writing the folders of Kafka's nodes");
        let options = pehra_kafka_local::Options {
            brokers: BROKERS,
            advertised: proxies.iter().map(|port| format!("127.0.0.1:{port}")).collect(),
            ..pehra_kafka_local::Options::default()
        };
        let folder = self.house.folder().to_owned();
        let port = || free_port().map_err(std::io::Error::other);
        let made = tokio::task::spawn_blocking(move || Layout::make(&folder, jars, &options, port));
        let layout = made.await.map_err(|error| error.to_string())?;
        self.house.layout = Some(layout.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// The cluster's file.
    fn write(&self, proxies: &[u16]) -> Result<Cluster, String> {
        let layout = self.house.layout.as_ref().ok_or("Kafka's nodes have no folders yet")?;
        let gear = self.options.gear;
        let nodes = ports(config::nodes(gear))?;
        let brokers = (1..=BROKERS).zip(proxies).map(|(id, proxy)| Broker {
            address: layout.address(id),
            proxy: Some((*proxy, layout.inner(id))),
        });
        let power = config::power(&layout.command(1));
        let text = config::text(gear, &power, 1, &nodes, &brokers.collect::<Vec<_>>());
        let file = self.house.file();
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        Cluster::read(&file).map_err(|error| error.to_string())
    }

    /// A broker that serves may still be on its way to know the others, and then makes no topic with three copies.
    async fn make_topic(&mut self, clients: &pehra_kafka::Cluster) -> Result<(), Failed> {
        let patience = Instant::now() + TOPIC_MAX;
        loop {
            let at = clients.clone();
            let making =
                tokio::task::spawn_blocking(move || pehra_kafka::ensure_topic(&at, TOPIC, PARTITIONS, TOPIC_MAX / 3));
            match making.await.map_err(|error| error.to_string())? {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > patience => return Err(error.to_string().into()),
                Err(_) => {}
            }
            tokio::select! {
                () = self.ending.wanted() => return Err(Failed::Ended),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }
}

const fn go_on(up: bool) -> Result<(), Failed> {
    if up { Ok(()) } else { Err(Failed::Ended) }
}

fn ports(count: u16) -> Result<Vec<u16>, String> {
    (0..count).map(|_| free_port()).collect()
}

/// On a terminal; elsewhere each step is a line.
fn bar(options: &Options) -> ProgressBar {
    let bar = if options.json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new_spinner()
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
