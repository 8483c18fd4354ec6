//! Brokers that fall asleep and wake, shown to a newcomer: on a real cluster where Java is, on the simulated one elsewhere.

mod account;
mod choice;
mod config;
mod ending;
mod house;
mod real;
mod script;
mod show;
mod simulated;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use pehra_asking::View;
use pehra_cluster::Cluster;
use pehra_web::ClusterKind;

use account::Account;
use choice::Choice;
use ending::Ending;
use real::Real;
use simulated::Simulated;

/// The lowest gear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Gear {
    /// One of three sleeps, and writes with acks=all go on.
    Lean,
    /// All but one sleep, and writes wait for a wake.
    Watch,
}

impl Gear {
    /// How many brokers may sleep at once, of [`config::BROKERS`].
    const fn sleepers(self) -> usize {
        match self {
            Self::Lean => 1,
            Self::Watch => 2,
        }
    }

    /// How many are up once traffic has woken whom it takes: one gear more than the lowest.
    const fn needed(self) -> usize {
        match self {
            Self::Lean => 3,
            Self::Watch => 2,
        }
    }

    const fn line(self) -> &'static str {
        match self {
            Self::Lean => "gear lean: one of three brokers may sleep; writes go on meanwhile, and wake it",
            Self::Watch => "gear watch: two of three brokers may sleep; a write waits until one of them is up again",
        }
    }
}

/// How it is shown.
#[derive(Clone, Debug)]
pub struct Options {
    pub seconds: Option<u64>,
    pub json: bool,
    pub real: bool,
    pub simulated: bool,
    pub gear: Gear,
    pub page_port: u16,
    pub keep: Option<PathBuf>,
}

impl Options {
    fn say(&self, line: &str) {
        super::say(self.json, line);
    }
}

pub fn run(options: &Options) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(demo(options));
    // Whoever still waits for Maven is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn demo(options: &Options) -> Result<ExitCode, String> {
    let mut ending = Ending::listen()?;
    let mut stage = match choice::choose(options)? {
        Choice::Real { fetch } => {
            options.say(choice::REAL);
            match Real::start(options, fetch, &mut ending).await {
                Ok(real) => Stage::Real(Box::new(real)),
                Err(real::Failed::Ended) => {
                    options.say("ended while starting: nothing was sent, and nothing is left behind");
                    return Ok(ExitCode::SUCCESS);
                }
                Err(real::Failed::Fetching(why)) if !options.real => simulated(options, &why)?,
                Err(real::Failed::Fetching(why) | real::Failed::Starting(why)) => return Err(why),
            }
        }
        Choice::Simulated(why) => simulated(options, &why)?,
    };
    options.say(options.gear.line());
    let outcome = show::show(options, &mut stage, &mut ending).await;
    // Whatever happened: nobody is left behind.
    let account = stage.end(options, &mut ending).await;
    let trouble = match &outcome {
        Ok(()) => account.trouble(),
        Err(why) => Some(why.clone()),
    };
    if options.json {
        println!("{}", account.json());
    } else {
        println!("{}", account.text());
    }
    let Some(trouble) = trouble else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("pehra demo: {trouble}");
    if let Some(folder) = stage.keep() {
        eprintln!("pehra demo: the logs of brokers and agents are in {}", folder.display());
    }
    Ok(ExitCode::from(1))
}

fn simulated(options: &Options, why: &str) -> Result<Stage, String> {
    options.say(&format!("SIMULATED: {why}"));
    options.say(
        "what follows is Pehra's own protocol on three simulated machines; no Kafka runs, and no record is written",
    );
    Ok(Stage::Simulated(Box::new(Simulated::start(options.gear, why)?)))
}

/// What is shown.
pub enum Stage {
    Real(Box<Real>),
    Simulated(Box<Simulated>),
}

impl Stage {
    /// One line of what stands behind it.
    fn head(&self) -> String {
        match self {
            Self::Real(_) => choice::REAL.into(),
            Self::Simulated(simulated) => format!("SIMULATED: {}", simulated.why),
        }
    }

    const fn kind(&self) -> ClusterKind {
        match self {
            Self::Real(_) => ClusterKind::Real,
            Self::Simulated(_) => ClusterKind::Simulated,
        }
    }

    const fn cluster(&self) -> &Cluster {
        match self {
            Self::Real(real) => &real.cluster,
            Self::Simulated(simulated) => &simulated.cluster,
        }
    }

    /// How the nodes stand now.
    fn views(&mut self) -> Result<Vec<View>, String> {
        match self {
            Self::Real(real) => real.views(),
            Self::Simulated(simulated) => simulated.views(),
        }
    }

    /// Lets clients begin, or stop.
    fn set_traffic(&mut self, on: bool) {
        match self {
            Self::Real(real) => real.traffic.set(on),
            Self::Simulated(simulated) => simulated.set_traffic(on),
        }
    }

    /// Traffic, in a line.
    fn traffic_line(&self) -> String {
        match self {
            Self::Real(real) => real.traffic.line(),
            Self::Simulated(simulated) => simulated.traffic_line(),
        }
    }

    async fn wake_all(&mut self) -> String {
        match self {
            Self::Real(real) => real.wake_all().await,
            Self::Simulated(simulated) => simulated.wake_all(),
        }
    }

    /// Ends all of it, and says what came of it.
    async fn end(&mut self, options: &Options, ending: &mut Ending) -> Account {
        match self {
            Self::Real(real) => real.end(options, ending).await,
            Self::Simulated(simulated) => simulated.account(),
        }
    }

    /// Keeps the logs, and says where.
    fn keep(&mut self) -> Option<PathBuf> {
        match self {
            Self::Real(real) => Some(real.keep()),
            Self::Simulated(_) => None,
        }
    }
}
