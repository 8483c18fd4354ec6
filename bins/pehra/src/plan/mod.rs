//! `pehra plan`: who of a live Kafka cluster may sleep. Only reads, so it is of use on a cluster that never sleeps.

mod page;
mod words;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use pehra_core::sleep::coverage::{Coverage, Gear, Rules, Watts, assess, saving_permille_max};
use pehra_kafka_admin::{Admin, Limits, Numbered, View};

/// Say which brokers of a Kafka cluster may sleep now, why others may not, and what would let more sleep
///
/// It only reads: nobody is put to sleep, nothing is changed. It needs to see all topics and their settings (with ACLs: Describe
/// and DescribeConfigs on every topic, Describe on the cluster); what it cannot see it cannot count.
///
/// Examples:
///   pehra plan --kafka localhost:9092
///   pehra plan --kafka localhost:9092 --json | jq '.brokers[] | select(.may_sleep) | .id'
///   pehra plan --kafka one:9092,two:9092 --lean-spare 1   one more failure shall not stop writes
///   pehra plan --kafka localhost:9092 --gear watch        if writes may wait for a wake
///   pehra plan --kafka localhost:9092 --idle-watts 45 --active-watts 90 --asleep-watts 3
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Brokers of the cluster: HOST:PORT, several with commas between
    #[arg(long, env = "PEHRA_KAFKA")]
    kafka: String,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// What has to stay awake: lean keeps as many copies as writes with acks=all need, watch keeps one
    #[arg(long, value_enum, default_value_t = Shift::Lean)]
    gear: Shift,
    /// In lean gear, copies to keep awake beyond min.insync.replicas
    #[arg(long, default_value_t = Rules::LEAN.lean_spare)]
    lean_spare: u16,
    /// Controllers to keep awake beyond a majority
    #[arg(long, default_value_t = Rules::LEAN.controller_spare)]
    controller_spare: u16,
    /// What a broker's machine draws awake with nothing to do
    #[arg(long, default_value_t = 100.0, value_parser = watts)]
    idle_watts: f64,
    /// What it draws at work
    #[arg(long, default_value_t = 180.0, value_parser = watts)]
    active_watts: f64,
    /// What it draws asleep
    #[arg(long, default_value_t = 6.0, value_parser = watts)]
    asleep_watts: f64,
    /// Milliseconds to wait for each answer
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
}

/// A gear that lets anybody sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shift {
    Lean,
    Watch,
}

/// Shares of the time that a cluster has nothing to do, for which the saving is given: a plan cannot see the real one.
const IDLE_PERMILLE: [u16; 3] = [500, 800, 950];

/// What was read and what follows from it.
struct Plan {
    view: View,
    numbered: Numbered,
    coverage: Coverage,
    rules: Rules,
    /// How many could sleep at once in watch gear.
    watch: u32,
    watts: Watts,
}

impl Plan {
    fn new(view: View, rules: Rules, watts: Watts) -> Result<Self, String> {
        let numbered = view.numbered(&BTreeSet::new())?;
        let coverage = assess(&numbered.topology, &rules);
        let watch = Rules {
            gear: Gear::Watch,
            ..rules
        };
        Ok(Self {
            watch: assess(&numbered.topology, &watch).layout.count(),
            view,
            numbered,
            coverage,
            rules,
            watts,
        })
    }

    /// The most that so many sleepers can save, in permille, for each idle share.
    fn savings(&self, sleepers: u32) -> [u32; 3] {
        let brokers = u32::try_from(self.view.brokers.len()).unwrap_or(u32::MAX);
        IDLE_PERMILLE.map(|idle| saving_permille_max(sleepers, brokers, idle, self.watts))
    }
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let rules = Rules {
        gear: match args.gear {
            Shift::Lean => Gear::Lean,
            Shift::Watch => Gear::Watch,
        },
        lean_spare: args.lean_spare,
        controller_spare: args.controller_spare,
        ..Rules::LEAN
    };
    let watts = Watts {
        idle_mw: milliwatts(args.idle_watts),
        active_mw: milliwatts(args.active_watts),
        asleep_mw: milliwatts(args.asleep_watts),
    };
    let plan = Plan::new(read(args)?, rules, watts)?;
    if args.json {
        println!("{}", page::json(&plan));
    } else {
        print!("{}", page::text(&plan));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(args: &Args) -> Result<View, String> {
    let patience = Duration::from_millis(args.patience);
    let limits = Limits {
        connect: patience.min(Limits::default().connect),
        request: patience,
        ..Limits::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(async {
        let mut admin = Admin::connect(&args.kafka, limits)
            .await
            .map_err(|error| error.to_string())?;
        admin.view().await.map_err(|error| error.to_string())
    })
}

fn watts(text: &str) -> Result<f64, String> {
    let watts: f64 = text.parse().map_err(|error| format!("{error}"))?;
    let sensible = (0.0..=100_000.0).contains(&watts);
    sensible
        .then_some(watts)
        .ok_or_else(|| "between 0 and 100000 watts".into())
}

fn milliwatts(watts: f64) -> u32 {
    // Between 0 and 10^8: that is what `watts` lets through.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let milliwatts = (watts * 1000.0).round() as u32;
    milliwatts
}
