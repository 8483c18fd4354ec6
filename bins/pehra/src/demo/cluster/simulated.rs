//! The simulated cluster: the same nodes, with machines, brokers and Kafka simulated, at the pace of the clock.

use std::time::Instant;

use pehra_asking::View;
use pehra_cluster::{Cluster, DoingNow, RoleNow, SleepStatus, Status};
use pehra_core::sleep::coverage;
use pehra_core::sleep::guard::{Order, WakeRule};
use pehra_core::types::NodeId;
use pehra_models::energy::{Build, Hardware, Plant, Voters};
use pehra_models::simulator::{Span, Time, ms};

use super::Gear;
use super::account::Account;
use super::config::{self, BROKERS, Broker};

/// How often each node is looked at: nothing that it does is shorter.
const GLANCE: Time = ms(20);

/// A machine as fast as a process: down and up within seconds.
const HARDWARE: Hardware = Hardware {
    down: ms(100),
    up: ms(200),
    stop: Span::ms(500, 1200),
    start: Span::ms(2000, 3000),
    catch_up: Span::ms(200, 600),
    ..Hardware::S3
};

pub struct Simulated {
    /// Why it is not real.
    pub why: String,
    pub cluster: Cluster,
    plant: Plant,
    origin: Time,
    began: Instant,
    traffic: Option<Time>,
    last_traffic: Option<Time>,
    bursts: u64,
    brokers: Vec<Duty>,
}

/// What is seen of a broker.
#[derive(Clone, Copy, Default)]
struct Duty {
    doing: DoingNow,
    since: Time,
    sleeps: u64,
    wakes: u64,
    asleep: Time,
}

impl Simulated {
    /// All are up, and may sleep. Clients have just stopped: whoever was idle for long would be on its way down before anybody looks.
    pub fn start(gear: Gear, why: &str) -> Result<Self, String> {
        let cluster = cluster(gear)?;
        let timing = cluster.sleep.as_ref().ok_or("the demo's file has no [sleep]")?.timing;
        let build = Build {
            brokers: BROKERS,
            voters: match gear {
                Gear::Lean => Voters::Brokers,
                Gear::Watch => Voters::Dedicated(config::nodes(gear) - BROKERS),
            },
            gear: match gear {
                Gear::Lean => coverage::Gear::Lean,
                Gear::Watch => coverage::Gear::Watch,
            },
            wake: WakeRule::Needed,
            hardware: HARDWARE,
            timing,
            election: cluster.timing,
            packet_loss_permille: 0,
            alarm_loss_permille: 0,
        };
        let mut plant = Plant::new(build, rand::random(), false);
        plant.work_begins();
        plant.begin().map_err(|failure| failure.to_string())?;
        plant.work_ends();
        plant.outages.clear();
        let now = plant.now();
        Ok(Self {
            why: why.into(),
            cluster,
            origin: now,
            began: Instant::now(),
            traffic: None,
            last_traffic: None,
            bursts: 0,
            brokers: vec![
                Duty {
                    doing: DoingNow::Active,
                    since: now,
                    ..Duty::default()
                };
                BROKERS.into()
            ],
            plant,
        })
    }

    /// How the nodes stand now.
    pub fn views(&mut self) -> Result<Vec<View>, String> {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX / 2000);
        let target = self.origin + ms(passed);
        while self.plant.now() < target {
            let length = GLANCE.min(target - self.plant.now());
            self.plant.run_for(length).map_err(|failure| failure.to_string())?;
            self.notice(length);
        }
        Ok(self.cluster.members.iter().map(|member| self.view(member)).collect())
    }

    pub fn set_traffic(&mut self, on: bool) {
        match (on, self.traffic) {
            (true, None) => {
                self.bursts += 1;
                self.traffic = Some(self.plant.now());
                self.plant.work_begins();
            }
            (false, Some(_)) => {
                self.traffic = None;
                self.last_traffic = Some(self.plant.now());
                self.plant.work_ends();
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    pub fn traffic_line(&self) -> String {
        let on = if self.traffic.is_some() { "ON " } else { "off" };
        format!(
            "traffic {on}   simulated; began {} times; longest pause {} ms",
            self.bursts,
            self.pause_ms()
        )
    }

    pub fn wake_all(&mut self) -> String {
        (0..BROKERS).for_each(|id| self.plant.order(NodeId(id), Order::WakeAll));
        "all are being woken".into()
    }

    pub fn account(&self) -> Account {
        Account {
            simulated: Some((self.bursts, self.pause_ms())),
            sleeps: self.brokers.iter().map(|duty| duty.sleeps).sum(),
            wakes: self.brokers.iter().map(|duty| duty.wakes).sum(),
            ..Account::default()
        }
    }

    /// The longest that the first request of a time with traffic has waited.
    fn pause_ms(&self) -> u64 {
        self.plant.outages.iter().max().map_or(0, |outage| outage.0 / 1000)
    }

    fn notice(&mut self, passed: Time) {
        let now = self.plant.now();
        for (id, duty) in (0..).zip(&mut self.brokers) {
            let config = self.plant.build.config(NodeId(id)).guard;
            let state = self.plant.cluster.state(NodeId(id));
            let doing = state.map_or(DoingNow::Waking, |state| {
                SleepStatus::of_guard(state.duty(), &config, Some(id.into()), None).doing
            });
            if doing == DoingNow::Asleep {
                duty.asleep = duty.asleep + passed;
            }
            if doing != duty.doing {
                duty.sleeps += u64::from(doing == DoingNow::Asleep && duty.doing == DoingNow::Draining);
                duty.wakes += u64::from(doing == DoingNow::Waking && duty.doing != DoingNow::Draining);
                (duty.doing, duty.since) = (doing, now);
            }
        }
    }

    fn view(&self, member: &pehra_cluster::Member) -> View {
        let (id, now) = (NodeId(member.id), self.plant.now());
        let Some(state) = self.plant.cluster.state(id) else {
            return View {
                member: member.clone(),
                status: Err("its machine is off (simulated)".into()),
            };
        };
        let config = self.plant.build.config(id).guard;
        let broker = self.brokers.get(usize::from(member.id));
        let seen = broker.copied().unwrap_or_default();
        let last = if self.traffic.is_some() {
            Some(now)
        } else {
            self.last_traffic
        };
        let since = |time: Time| (now - time).0 / 1000;
        let duty = SleepStatus {
            doing_ms: since(seen.since),
            sleeps: seen.sleeps,
            wakes: seen.wakes,
            asleep_ms: seen.asleep.0 / 1000,
            traffic_ms: last.filter(|_| broker.is_some()).map(since),
            power: "simulated".into(),
            ..SleepStatus::of_guard(state.duty(), &config, broker.map(|_| member.id.into()), None)
        };
        let others = self.cluster.members.len().saturating_sub(1);
        let status = Status {
            cluster: self.cluster.name.clone(),
            node: member.id,
            up_ms: since(self.origin),
            role: RoleNow::of(state.decrees().election().role()),
            term: state.duty().term().0,
            leader: self.plant.pehredar().map(|leader| leader.0),
            links: (1 << others) - 1,
            sleep: Some(duty),
            ..Status::default()
        };
        View {
            member: member.clone(),
            status: Ok(status),
        }
    }
}

/// What its file would be. Nobody listens at its addresses; ids are those of the simulator.
fn cluster(gear: Gear) -> Result<Cluster, String> {
    let ports: Vec<u16> = (0..config::nodes(gear)).map(|at| 60_001 + at).collect();
    let brokers = (0..BROKERS).map(|at| Broker {
        address: format!("127.0.0.1:{}", 61_001 + at),
        proxy: None,
    });
    let text = config::text(gear, "", 0, &ports, &brokers.collect::<Vec<_>>());
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder for the demo: {error}"))?;
    let file = folder.path().join("cluster.toml");
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Cluster::read(&file).map_err(|error| error.to_string())
}
