//! What a page shows of a cluster, from what its nodes say.

use std::collections::{BTreeMap, BTreeSet};

use pehra_cluster::{Cluster, DoingNow, MachineWatts, SleepStatus};
use pehra_web::{ClusterKind, ClusterPanel, NodePanel, Watts};

use crate::{View, duties, pehredar};

/// Makes panels of views. It remembers who was on the way to sleep: a machine that sleeps does not answer.
#[derive(Debug)]
pub struct Panels {
    name: String,
    watts: Option<MachineWatts>,
    /// The lowest gear, as the file allows it.
    gear: String,
    /// Nodes whose machine goes to sleep with its broker, and who were on the way there when they were last heard.
    bound_for_sleep: BTreeSet<u16>,
    /// How each node's machine sleeps, as it last said.
    power: BTreeMap<u16, String>,
}

impl Panels {
    /// Of this cluster.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let settings = cluster.sleep.as_ref();
        let gear = settings.and_then(|settings| pehra_cluster::GEARS.iter().find(|(_, gear)| *gear == settings.gear));
        Self {
            name: cluster.name.clone(),
            watts: settings.and_then(|settings| settings.watts),
            gear: gear.map_or("", |(name, _)| name).to_owned(),
            bound_for_sleep: BTreeSet::new(),
            power: BTreeMap::new(),
        }
    }

    /// How things stand by these views, at `now_ms` of Unix time.
    pub fn panel(&mut self, views: &[View], now_ms: i64) -> ClusterPanel {
        self.remember(views);
        let watching = pehredar(views);
        // Without a Pehredar, whoever knows of the latest switch.
        let latest = || duties(views).max_by_key(|(_, duty)| duty.epoch);
        let duty = watching.or_else(latest).map(|(_, duty)| duty);
        let plan = duty.and_then(|duty| duty.plan.as_ref());
        let alerts: BTreeSet<u16> = duties(views).flat_map(|(_, duty)| duty.alerts.clone()).collect();
        let nodes: Vec<NodePanel> = views
            .iter()
            .map(|view| {
                let on_duty = plan.is_some_and(|plan| plan.watch.contains(&view.member.id));
                self.node(view, on_duty, alerts.contains(&view.member.id))
            })
            .collect();
        let (watts, power_note) = self.watts(&nodes);
        ClusterPanel {
            name: self.name.clone(),
            updated_ms: now_ms,
            kind: ClusterKind::Real,
            on: duty.is_some_and(|duty| duty.on),
            epoch: duty.map_or(0, |duty| duty.epoch),
            gear: match (plan, duty) {
                (Some(plan), _) => plan.gear.clone(),
                (None, Some(duty)) => duty.gear.clone(),
                (None, None) => self.gear.clone(),
            },
            pehredar: watching.map(|(id, _)| id),
            plan: plan.map(|plan| (plan.index, plan.term)),
            held_back: match watching {
                Some((_, duty)) => duty.held_back.clone(),
                None if nodes.iter().all(|node| !node.reached) => Some("no node answers".into()),
                None => Some("nobody watches: all wake up".into()),
            },
            traffic_ms: duties(views).filter_map(|(_, duty)| duty.traffic_ms).min(),
            watts,
            power_note,
            nodes,
        }
    }

    fn remember(&mut self, views: &[View]) {
        for (id, duty) in duties(views) {
            self.power.insert(id, duty.power.clone());
            let bound = match duty.doing {
                DoingNow::Draining | DoingNow::Asleep | DoingNow::Ringing => self.machine_sleeps(id),
                DoingNow::Active | DoingNow::Waking | DoingNow::Maintenance | DoingNow::Unknown => false,
            };
            if bound {
                self.bound_for_sleep.insert(id);
            } else {
                self.bound_for_sleep.remove(&id);
            }
        }
    }

    /// Its machine sleeps with its broker: a stopped process alone leaves it up.
    fn machine_sleeps(&self, id: u16) -> bool {
        let power = self.power.get(&id).map(String::as_str);
        matches!(power, Some("suspend" | "hibernate" | "power-off"))
    }

    fn node(&self, view: &View, on_duty: bool, alert: bool) -> NodePanel {
        let id = view.member.id;
        let bare = NodePanel {
            id,
            broker: view.member.broker.as_ref().map(|broker| broker.id),
            role: "-".into(),
            doing: "-".into(),
            on_duty,
            alert,
            ..NodePanel::default()
        };
        let status = match &view.status {
            Err(_) if self.bound_for_sleep.contains(&id) && !alert => {
                return NodePanel {
                    doing: DoingNow::Asleep.name().into(),
                    trouble: Some("it went to sleep, and its machine does not answer".into()),
                    ..bare
                };
            }
            Err(why) => {
                return NodePanel {
                    alert: true,
                    trouble: Some(format!("it does not answer: {why}")),
                    ..bare
                };
            }
            Ok(status) => status,
        };
        let none = SleepStatus::default();
        let duty = status.sleep.as_ref().unwrap_or(&none);
        NodePanel {
            reached: true,
            broker: duty.broker,
            role: duty.role.name().into(),
            doing: duty.doing.name().into(),
            stage: duty.stage.clone(),
            doing_ms: duty.doing_ms,
            awake_because: duty.awake_because.clone().filter(|_| duty.doing == DoingNow::Active),
            traffic_ms: duty.traffic_ms,
            grants: duty.grants,
            sleeps: duty.sleeps,
            wakes: duty.wakes,
            asleep_ms: duty.asleep_ms,
            declined: duty.declined.clone(),
            alert: alert || status.trouble.is_some(),
            trouble: status.trouble.clone(),
            ..bare
        }
    }

    /// Reckoned, never measured: nothing here has a meter. Whoever is not known to sleep with its machine counts as up.
    fn watts(&self, nodes: &[NodePanel]) -> (Option<Watts>, Option<String>) {
        let brokers: Vec<&NodePanel> = nodes.iter().filter(|node| node.broker.is_some()).collect();
        let sleeping = brokers.iter().filter(|node| self.machine_sleeps(node.id)).count();
        let stays_up = |id: u16| matches!(self.power.get(&id).map(String::as_str), Some("process" | "systemd"));
        let up = brokers.iter().filter(|node| stays_up(node.id)).count();
        if sleeping == 0 {
            let note = "Only the brokers' processes stop when they sleep, and the machines stay up: that saves next to nothing.";
            return (None, (up > 0).then(|| note.into()));
        }
        let Some(figures) = self.watts else {
            let note = "What machines draw is not known: idle-watts and asleep-watts in [sleep] of the cluster's file would tell.";
            return (None, Some(note.into()));
        };
        let asleep = brokers
            .iter()
            .filter(|node| node.doing == DoingNow::Asleep.name() && self.machine_sleeps(node.id))
            .count();
        let of = |count: usize, watts: u32| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * f64::from(watts);
        let watts = Watts {
            now: of(brokers.len() - asleep, figures.idle) + of(asleep, figures.asleep),
            all_up: of(brokers.len(), figures.idle),
            measured: false,
        };
        let note = (up > 0).then(|| {
            format!(
                "The machines of {up} of {} brokers stay up when their brokers sleep.",
                brokers.len()
            )
        });
        (Some(watts), note)
    }
}
