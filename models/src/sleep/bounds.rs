//! How large a world of sleepers is, and what can happen in it.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Config, Timer, Timing, WakeRule};
use pehra_core::types::{NodeId, Ticks};

use crate::kafka::Setup;

/// The most brokers of a world.
pub const BROKERS: usize = 4;

/// One partition: who has a copy, and how many in-sync copies a write needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Brokers.
    pub replicas: NodeSet,
    /// `min.insync.replicas`.
    pub in_sync_min: u16,
}

/// A Kafka beneath the brokers: then what a reading says is what it has come to, and clients write.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// Brokers, partitions and rules.
    pub setup: Setup,
    /// Writes with `acks=all`.
    pub records: u8,
    /// A machine that crashes loses its power: up to so many of the newest records on its disk with it.
    pub torn: u8,
    /// Copies may lag, and are taken out of the in-sync ones for it.
    pub shrinks: bool,
}

/// Brokers, partitions and budgets.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Brokers, each with a voter beside it.
    pub brokers: u8,
    /// Those of them with a voter beside them.
    pub voters: NodeSet,
    /// Their partitions.
    pub partitions: Vec<Copies>,
    /// The lowest gear.
    pub gear: Gear,
    /// Whom traffic wakes.
    pub wake: WakeRule,
    /// The highest term.
    pub terms: u8,
    /// Nobody is elected while a leader leads, even before the calm: a leader is followed only once it has crashed or was lost.
    pub loyal: bool,
    /// Decrees that may be decided in all.
    pub decrees: u8,
    /// Crashes of a whole machine.
    pub crashes: u8,
    /// Whose machine may crash.
    pub crash_at: NodeSet,
    /// Sights of traffic.
    pub traffic: u8,
    /// Where.
    pub traffic_at: NodeSet,
    /// Wakes by something from outside.
    pub wakes: u8,
    /// Leaders that are lost from sight.
    pub losses: u8,
    /// Switches by an admin, after the first.
    pub switches: u8,
    /// Rounds of maintenance.
    pub rounds: u8,
    /// Letters of one kind that are under way from one to another; an older one is lost.
    pub letters: u8,
    /// Letters may come again.
    pub repeats: bool,
    /// Who may lead a term after the first: a set for each.
    pub stands: Vec<NodeSet>,
    /// Who votes in the terms after the first; any majority, where nothing is said.
    pub votes: Vec<NodeSet>,
    /// Whom a reading suggests to let sleep, in each term; the largest set that may, where nothing is said.
    pub suggests: Vec<NodeSet>,
    /// Timers that never go off.
    pub without: Vec<Timer>,
    /// Traffic switches off.
    pub disable_on_traffic: bool,
    /// Whose machine is gone for good once it sleeps: nothing wakes it.
    pub gone: NodeSet,
    /// So many wakes may be given up before those who are called come up; before the calm.
    pub hasty: u8,
    /// A sleeper hears nothing but calls to wake.
    pub deaf: bool,
    /// Nor these: nothing but its alarm clock wakes it.
    pub unwakeable: bool,
    /// Kinds of steps that this world leaves no room for, beside those that its budgets show.
    pub never: &'static [&'static str],
    /// For liveness: there is one moment after which nothing more goes wrong.
    pub calms: bool,
    /// It has come when all begins; what an admin orders comes after it.
    pub calm_from_start: bool,
    /// It comes with this: all who do not sleep crash at one moment, of the sleepers any, and what is under way is lost.
    pub all_down: bool,
    /// So many of the terms are for after it.
    pub headroom: u8,
    /// A leader that lets another lead stands for no later term, and after the calm another is elected.
    pub hands_over: bool,
    /// What the brokers are brokers of; where there is none, whoever is up is in sync.
    pub kafka: Option<Cluster>,
    /// The bug.
    #[cfg(seeded_bugs)]
    pub bug: Option<pehra_core::sleep::guard::bugs::Bug>,
}

impl Bounds {
    /// Three brokers with one partition, three copies of which two are needed, in gear lean; one leads, all are idle.
    #[must_use]
    pub fn lean() -> Self {
        Self {
            brokers: 3,
            voters: NodeSet::first(3),
            partitions: vec![Copies {
                replicas: NodeSet::first(3),
                in_sync_min: 2,
            }],
            gear: Gear::Lean,
            wake: WakeRule::Needed,
            terms: 1,
            loyal: false,
            decrees: 3,
            crashes: 0,
            crash_at: NodeSet::first(4),
            traffic: 0,
            traffic_at: NodeSet::first(4),
            wakes: 0,
            losses: 0,
            switches: 0,
            rounds: 0,
            letters: 1,
            repeats: true,
            stands: Vec::new(),
            votes: Vec::new(),
            suggests: Vec::new(),
            without: Vec::new(),
            disable_on_traffic: false,
            deaf: false,
            gone: NodeSet::EMPTY,
            hasty: 0,
            unwakeable: false,
            never: &[],
            calms: false,
            calm_from_start: false,
            all_down: false,
            headroom: 0,
            hands_over: false,
            kafka: None,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The same with a Kafka of as many brokers beneath.
    #[must_use]
    pub fn on(self, kafka: Cluster) -> Self {
        let copies = |partition| Copies {
            replicas: kafka
                .setup
                .replicas(partition)
                .iter()
                .map(|id| NodeId((*id).into()))
                .collect(),
            in_sync_min: kafka.setup.in_sync_min.into(),
        };
        Self {
            brokers: kafka.setup.brokers,
            partitions: kafka.setup.all_partitions().map(copies).collect(),
            kafka: Some(kafka),
            ..self
        }
    }

    /// All brokers.
    #[must_use]
    pub fn all(&self) -> NodeSet {
        NodeSet::first(self.brokers.into())
    }

    /// What this member is told.
    #[must_use]
    pub fn config(&self, me: u8) -> Config {
        let some = Ticks(1000);
        Config {
            me: NodeId(me.into()),
            voters: self.voters,
            brokers: self.all(),
            voter_spare: 0,
            gear: self.gear,
            wake: self.wake,
            disable_on_traffic: self.disable_on_traffic,
            stay_awake: false,
            timing: Timing {
                idle: some,
                tell: some,
                probe: some,
                drain: some,
                alarm: some,
                rouse: some,
                answer: some,
                wake: some,
            },
            #[cfg(seeded_bugs)]
            bug: self.bug,
        }
    }

    /// Who may lead this term.
    #[must_use]
    pub fn may_lead(&self, term: u8) -> NodeSet {
        let later = usize::from(term).checked_sub(2);
        later.and_then(|at| self.stands.get(at)).copied().unwrap_or(self.all())
    }

    /// Whether these may elect somebody in this term.
    #[must_use]
    pub fn may_elect(&self, term: u8, votes: NodeSet) -> bool {
        let later = usize::from(term).checked_sub(2);
        later
            .and_then(|at| self.votes.get(at))
            .is_none_or(|these| *these == votes)
    }

    /// The bounds as words.
    #[must_use]
    pub fn words(&self) -> String {
        let partition = |copies: &Copies| format!("{:?} of which {}", copies.replicas, copies.in_sync_min);
        let partitions: Vec<String> = self.partitions.iter().map(partition).collect();
        let mut words = vec![
            if self.voters == self.all() {
                format!("{} brokers that are the voters too", self.brokers)
            } else {
                format!("{} brokers, voters {:?}", self.brokers, self.voters)
            },
            format!("copies on {}", partitions.join(" and ")),
            format!("gear {:?}, traffic wakes {:?}", self.gear, self.wake),
            format!("{} terms, {} decrees", self.terms, self.decrees),
        ];
        for (term, who) in (2..).zip(&self.stands) {
            words.push(format!("term {term} led by {who:?}"));
        }
        for (term, who) in (2..).zip(&self.votes) {
            words.push(format!("term {term} by the votes of {who:?}"));
        }
        if self.loyal {
            words.push("nobody is elected while a leader leads".into());
        }
        for (term, who) in (1..).zip(&self.suggests) {
            words.push(format!("in term {term} it is suggested that {who:?} sleep"));
        }
        for (limited, at, what) in [
            (self.crashes > 0, self.crash_at, "crashes"),
            (self.traffic > 0, self.traffic_at, "traffic"),
        ] {
            if limited && !self.all().is_within(at) {
                words.push(format!("{what} at {at:?} only"));
            }
        }
        for (count, what) in [
            (self.crashes, "crashes"),
            (self.traffic, "sights of traffic"),
            (self.wakes, "wakes from outside"),
            (self.losses, "leaders lost from sight"),
            (self.switches, "switches"),
            (self.rounds, "rounds of maintenance"),
        ] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        if let Some(kafka) = &self.kafka {
            words.push(format!(
                "the abstract Kafka beneath, eligible replicas {}, {} writes with acks=all, a crash loses up to {} records of its \
                 disk, copies {} lag",
                if kafka.setup.keeps_eligible { "kept" } else { "not kept" },
                kafka.records,
                kafka.torn,
                if kafka.shrinks { "may" } else { "do not" }
            ));
        }
        if !self.without.is_empty() {
            words.push(format!("without the timers {:?}", self.without));
        }
        if self.disable_on_traffic {
            words.push("traffic switches off".into());
        }
        if self.deaf {
            words.push("sleepers hear nothing but calls to wake".into());
        }
        if !self.gone.is_empty() {
            let but = match self.hasty {
                0 => String::new(),
                hasty => format!(", but for {hasty} before the calm"),
            };
            words.push(format!(
                "whoever of {:?} sleeps is gone for good, and all others wake before a wake is given up{but}",
                self.gone
            ));
        }
        if self.unwakeable {
            words.push("and not even these".into());
        }
        if self.calm_from_start {
            words.push("calm from the start".into());
        }
        if self.all_down {
            words.push(
                "at some moment all who do not sleep crash, of the sleepers any, and from then on it is calm".into(),
            );
        }
        if self.headroom > 0 {
            words.push(format!("{} of the terms after the calm", self.headroom));
        }
        if self.hands_over {
            words.push("a leader that lets another lead is followed by another".into());
        }
        words.push(format!(
            "the log as its claims say, one leads and all are idle at the start, {} letters of a kind under way between two, lost, late{}",
            self.letters,
            if self.repeats { ", again" } else { "" }
        ));
        words.join(", ")
    }
}
