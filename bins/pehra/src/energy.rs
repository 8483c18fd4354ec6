//! `pehra energy`: what sleeping would save, and how long anybody would wait. Simulated, never measured.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use pehra_models::energy::{Case, Hardware, Load, Outcome, Policy};
use pehra_models::simulator::ms;

/// Simulate a cluster of sleeping brokers: what each policy draws, saves, and lets clients wait
///
/// Nothing is measured and no cluster is touched: the checked protocol runs in virtual time, on machines with the watts and durations
/// that are given. The same arguments give the same figures anywhere. S_max is what nobody can save more than.
///
/// Examples:
///   pehra energy                                        six brokers, idle for 80 % of a day
///   pehra energy --brokers 9 --idle 95 --mode s5        switched off instead of suspended
///   pehra energy --idle-watts 45 --active-watts 90 --asleep-watts 3
///   pehra energy --trace day.csv --mark 20              lines of seconds,partition,requests; busy from 20 requests a minute
///   pehra energy --json | jq '.[] | {policy, outage}'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How many brokers; more than 48 are simulated as wards of at most 48
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(3..=4800))]
    brokers: u16,
    /// How machines sleep
    #[arg(long, value_enum, default_value_t = Mode::S3)]
    mode: Mode,
    /// Percent of the time in which there is nothing to do
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u64).range(1..=99))]
    idle: u64,
    /// Minutes that a pause lasts in the mean
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    pause: u64,
    /// Hours to simulate
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8760))]
    hours: u64,
    /// Recorded traffic instead: a file with lines of seconds,partition,requests
    #[arg(long)]
    trace: Option<PathBuf>,
    /// With --trace: there is something to do in a minute with so many requests
    #[arg(long, default_value_t = 1)]
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
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
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

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let case = case(args)?;
    let idle_of_active = 1000 * args.idle_watts / args.active_watts;
    let outcomes: Vec<Outcome> = Policy::ALL
        .into_iter()
        .map(|policy| {
            Outcome::of(policy.name(), &case, policy, &[idle_of_active])
                .map_err(|failure| format!("seed {}: {failure}; please report this with all arguments", args.seed))
        })
        .collect::<Result<_, _>>()?;
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&outcomes).map_err(|error| error.to_string())?
        );
    } else {
        print(args, &outcomes);
    }
    Ok(ExitCode::SUCCESS)
}

fn case(args: &Args) -> Result<Case, String> {
    let usual = match args.mode {
        Mode::S3 => Hardware::S3,
        Mode::S5 => Hardware::S5,
    };
    let asleep_mw = args.asleep_watts.map_or(usual.asleep_mw, |watts| watts * 1000);
    let idle_mw = args.idle_watts * 1000;
    if asleep_mw >= idle_mw || args.active_watts < args.idle_watts {
        return Err("expected --asleep-watts below --idle-watts, and --active-watts not below it".into());
    }
    // What goes down or comes up draws as the usual machine does, against its idle power.
    let scaled = |mw: u32| {
        let mw = u64::from(mw) * u64::from(idle_mw) / u64::from(usual.idle_mw);
        u32::try_from(mw).unwrap_or(u32::MAX)
    };
    let hardware = Hardware {
        idle_mw,
        asleep_mw,
        down_mw: scaled(usual.down_mw),
        up_mw: scaled(usual.up_mw),
        ..usual
    };
    let recorded = match &args.trace {
        None => None,
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
            Some(Load::recorded(&text, args.mark).map_err(|error| format!("{name}: {error}"))?)
        }
    };
    Ok(Case::new(args.brokers, hardware, args.seed, |seed| {
        recorded.clone().unwrap_or_else(|| {
            Load::on_off(
                seed,
                ms(args.hours * 3_600_000),
                args.idle * 10,
                ms(args.pause * 60_000),
            )
        })
    }))
}

fn print(args: &Args, outcomes: &[Outcome]) {
    let Some(first) = outcomes.first() else { return };
    println!(
        "MODELLED, not measured: {} brokers, {}, {} h, idle for {}.{} % of the time ({})\n",
        args.brokers,
        first.hardware,
        first.hours,
        first.idle_permille / 10,
        first.idle_permille % 10,
        first.load
    );
    println!(
        "policy                        k of N      kJ  saves %  S_max %  of S_max %  wakes/node/day  waited s: p50   p100  bound"
    );
    for outcome in outcomes {
        let Some(energy) = outcome.energy.first() else { continue };
        let tenths = |permille: i64| format!("{:.1}", permille as f64 / 10.0);
        let seconds = |ms: u64| format!("{:.1}", ms as f64 / 1000.0);
        let waits = outcome.outage.map_or_else(
            || "     –      –".into(),
            |waits| format!("{:>6} {:>6}", seconds(waits.p50), seconds(waits.p100)),
        );
        println!(
            "{:28} {:>4}/{:<4} {:>6}  {:>7}  {:>7}  {:>10}  {:>14.2}         {waits} {:>6}",
            outcome.policy,
            outcome.sleepers_max,
            outcome.brokers,
            energy.kilojoules,
            tenths(energy.saving_permille),
            tenths(energy.saving_permille_max.into()),
            tenths(energy.of_max_permille),
            outcome.wakes_per_node_day_hundredths as f64 / 100.0,
            seconds(outcome.bound_ms)
        );
    }
    println!(
        "\n\"as written\" lets more sleep than coverage allows; the oracles know the future; energy of controllers is not counted"
    );
}
