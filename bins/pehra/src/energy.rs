//! `pehra energy`: what sleeping would save, and how long anybody would wait. Modelled, never measured.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use pehra_models::energy::load::household_day;
use pehra_models::energy::{Case, Hardware, Load, Outcome, Policy};
use pehra_models::simulator::ms;

/// Simulate a cluster of sleeping brokers: what each policy draws, saves, and lets clients wait
///
/// All figures are modelled: the checked protocol runs in virtual time, on machines with the watts and durations that are given. No
/// cluster is touched. The same arguments give the same figures anywhere. S_max is what nobody can save more than, for as many sleepers
/// as coverage allows. More than 48 brokers are simulated as wards of at most 48, each a Pehra cluster of its own.
///
/// Examples:
///   pehra energy                                        six brokers and a day of household meters
///   pehra energy --brokers 9 --idle 95 --mode s5        idle for 95 % of a day, switched off instead of suspended
///   pehra energy --gear lean --idle-watts 45 --active-watts 90 --asleep-watts 3
///   pehra energy --trace day.csv --mark 20              lines of seconds,partition,requests; busy from 20 requests a minute
///   pehra energy --json | jq '.[] | {policy, outage}'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How many brokers
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(3..=4800))]
    brokers: u16,
    /// Only this gear
    #[arg(long, value_enum)]
    gear: Option<Gear>,
    /// How machines sleep
    #[arg(long, value_enum, default_value_t = Mode::S3)]
    mode: Mode,
    /// A drawn load instead of the household day: percent of the time in which there is nothing to do, in the long run
    #[arg(long, conflicts_with = "trace", value_parser = clap::value_parser!(u64).range(1..=99))]
    idle: Option<u64>,
    /// With --idle: minutes that a pause lasts in the mean
    #[arg(long, requires = "idle", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pause: u64,
    /// With --idle: hours to simulate
    #[arg(long, requires = "idle", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8760))]
    hours: u64,
    /// Recorded traffic instead of the household day: a file with lines of seconds,partition,requests, each for a minute
    #[arg(long)]
    trace: Option<PathBuf>,
    /// There is something to do in a recorded minute with so many requests
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    mark: u64,
    /// What a machine draws awake with nothing to do
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    idle_watts: u32,
    /// What it draws at work
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    active_watts: u32,
    /// What it draws asleep [default: 6, switched off 8]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    asleep_watts: Option<u32>,
    /// What it draws while it comes up [default: half as much again as with nothing to do]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    waking_watts: Option<u32>,
    /// Seconds until a woken machine starts its broker [default: 10, switched off 201]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3600))]
    waking_seconds: Option<u64>,
    /// Seed of all chance
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=u64::MAX / 2))]
    seed: u64,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// How a machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Suspended to memory
    S3,
    /// Switched off
    S5,
}

/// Which policies are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Gear {
    /// Writes go on while others sleep
    Lean,
    /// One copy of everything is awake; the first request waits
    Watch,
}

/// As a shell tells of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Ctrl-C ends all at once. Said explicitly: a program that was started in the background may have been told to ignore it.
fn heed_interrupts() -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot listen for Ctrl-C: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(fail)?;
    std::thread::Builder::new()
        .name("interrupts".into())
        .spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                std::process::exit(INTERRUPTED);
            }
        })
        .map_err(fail)?;
    Ok(())
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let case = case(args)?;
    heed_interrupts()?;
    let idle_of_active = 1000 * args.idle_watts / args.active_watts;
    let policies: Vec<Policy> = Policy::ALL
        .into_iter()
        .filter(|policy| is_wanted(*policy, args.gear))
        .collect();
    // It goes to standard error, and only to a terminal.
    let bar = ProgressBar::new(policies.len() as u64 * u64::from(args.brokers));
    let style = "{wide_bar} {pos} of {len} brokers simulated, {msg}; Ctrl-C gives up, and prints nothing";
    bar.set_style(ProgressStyle::with_template(style).map_err(|error| error.to_string())?);
    let mut outcomes = Vec::new();
    for policy in policies {
        bar.set_message(policy.name());
        let outcome = case
            .run_telling(policy, |brokers| bar.inc(brokers.into()))
            .and_then(|run| Outcome::of_run(policy.name(), &case, policy, &run, &[idle_of_active]))
            .map_err(|failure| {
                format!(
                    "{} with seed {}: {failure}; please report this with all arguments",
                    policy.name(),
                    args.seed
                )
            })?;
        outcomes.push(outcome);
    }
    bar.finish_and_clear();
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&outcomes).map_err(|error| error.to_string())?
        );
    } else {
        print(&case, &outcomes);
    }
    Ok(ExitCode::SUCCESS)
}

fn is_wanted(policy: Policy, gear: Option<Gear>) -> bool {
    match gear {
        None => true,
        Some(Gear::Lean) => matches!(policy, Policy::AlwaysOn | Policy::Lean | Policy::OracleLean),
        Some(Gear::Watch) => !matches!(policy, Policy::Lean | Policy::OracleLean),
    }
}

fn case(args: &Args) -> Result<Case, String> {
    let hardware = hardware(args)?;
    let recorded = match (&args.trace, args.idle) {
        (Some(path), _) => {
            let name = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| {
                format!("{name}: {error}; expected a file with lines of seconds,partition,requests")
            })?;
            let load = Load::recorded(&text, args.mark).map_err(|error| format!("{name}: {error}"))?;
            if load.length.0 == 0 {
                return Err(format!(
                    "{name}: expected lines of seconds,partition,requests, found none"
                ));
            }
            Some(load)
        }
        (None, None) => {
            let mut load = Load::recorded(&household_day(1), args.mark)?;
            load.name = format!("household day, {}", load.name);
            Some(load)
        }
        (None, Some(_)) => None,
    };
    let idle = args.idle.unwrap_or_default();
    Ok(Case::new(args.brokers, hardware, args.seed, |seed| {
        recorded
            .clone()
            .unwrap_or_else(|| Load::on_off(seed, ms(args.hours * 3_600_000), idle * 10, ms(args.pause * 60_000)))
    }))
}

fn hardware(args: &Args) -> Result<Hardware, String> {
    let usual = match args.mode {
        Mode::S3 => Hardware::S3,
        Mode::S5 => Hardware::S5,
    };
    let asleep_mw = args.asleep_watts.map_or(usual.asleep_mw, |watts| watts * 1000);
    let idle_mw = args.idle_watts * 1000;
    if asleep_mw >= idle_mw {
        let asleep = asleep_mw / 1000;
        return Err(format!(
            "expected --asleep-watts below --idle-watts, found {asleep} and {}",
            args.idle_watts
        ));
    }
    if args.active_watts < args.idle_watts {
        return Err(format!(
            "expected --active-watts not below --idle-watts, found {} and {}",
            args.active_watts, args.idle_watts
        ));
    }
    Ok(Hardware {
        idle_mw,
        asleep_mw,
        down_mw: idle_mw,
        up_mw: args.waking_watts.map_or(idle_mw / 2 * 3, |watts| watts * 1000),
        up: args.waking_seconds.map_or(usual.up, |seconds| ms(seconds * 1000)),
        ..usual
    })
}

fn print(case: &Case, outcomes: &[Outcome]) {
    let Some(first) = outcomes.first() else { return };
    println!(
        "MODELLED, not measured: {} brokers, {}, {} h, idle for {}.{} % of the time ({}); sleeping pays from {} s on",
        first.brokers,
        first.hardware,
        first.hours,
        first.idle_permille / 10,
        first.idle_permille % 10,
        first.load,
        case.hardware.break_even().0 / 1_000_000
    );
    let wards = case.loads.len();
    if wards > 1 {
        println!(
            "In {wards} wards of at most 48 brokers: each is a Pehra cluster of its own, with its own Pehredar, topics and load"
        );
    }
    println!(
        "\n{:28} {:>9} {:>8} {:>8} {:>8} {:>11} {:>11} {:>8} {:>8} {:>8}",
        "policy (all modelled)",
        "k of N",
        "kJ",
        "saves %",
        "S_max %",
        "of S_max %",
        "wakes a day",
        "p50 s",
        "p100 s",
        "bound s"
    );
    for outcome in outcomes {
        let Some(energy) = outcome.energy.first() else { continue };
        let tenths = |permille: i64| format!("{:.1}", permille as f64 / 10.0);
        let seconds = |ms: u64| format!("{:.1}", ms as f64 / 1000.0);
        let (p50, p100) = outcome.outage.map_or_else(
            || ("–".into(), "–".into()),
            |waits| (seconds(waits.p50), seconds(waits.p100)),
        );
        let of = format!("{}/{}", outcome.sleepers_max, outcome.brokers);
        let of_max = if outcome.sleepers_max == 0 {
            "–".into()
        } else {
            tenths(energy.of_max_permille)
        };
        println!(
            "{:28} {of:>9} {:>8} {:>8} {:>8} {of_max:>11} {:>11.2} {p50:>8} {p100:>8} {:>8}",
            outcome.policy,
            energy.kilojoules,
            tenths(energy.saving_permille),
            tenths(energy.saving_permille_max.into()),
            outcome.wakes_per_node_day_hundredths as f64 / 100.0,
            seconds(outcome.bound_ms)
        );
    }
    println!(
        "\n\"as written\" lets more sleep than coverage allows; an oracle knows how long each pause lasts; wakes are for each broker;\n\
         p50, p100: how long the first request after a pause waits; the energy of machines that only vote is not counted"
    );
    if outcomes
        .iter()
        .any(|outcome| outcome.policy.starts_with("watch") && outcome.bound_ms > 120_000)
    {
        println!(
            "Watch gear makes requests wait longer than the 120 s after which a producer gives up by default: use lean gear with this wake cost"
        );
    }
}
