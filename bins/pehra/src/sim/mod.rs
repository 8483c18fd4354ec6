//! The interactive simulation: three nodes, a number a line.

mod event;
mod nodes;

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pehra_models::simulator::{Time, ms};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use nodes::Nodes;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Three nodes x, y, z that sleep when there is nothing to do: type a number a line, 0 for no traffic, more for traffic.
///
/// They run the very code that real brokers run, with machines and brokers simulated. Each checks itself every 8 s, may sleep after
/// 4 s without traffic, and hands over as the Pehredar after 4 s. All three elect, so two of them stay awake. A task goes to
/// a node that is awake, and traffic wakes the others. It ends with the input (Ctrl-D) or with Ctrl-C.
///
/// Examples:
///   pehra sim                                    type 0 or 1, and wait
///   printf '0\n0\n0\n1\n' | pehra sim --fast     in no time: each line is 4 s of simulated time
///   printf '0\n1\n' | pehra sim --fast --step 1 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Simulated time instead of the clock: each line of input is a step, and the next one is read when it is over
    #[arg(long)]
    fast: bool,
    /// Seconds of a step
    #[arg(long, default_value_t = 4, requires = "fast", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    step: u64,
    /// What happens by chance; the same seed and input give the same with --fast
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    if io::stdin().is_terminal() {
        eprintln!("type 0 for no traffic, a number above 0 for traffic; Ctrl-D ends it");
    }
    match runtime.block_on(Simulation::new(args)?.go_on(args)) {
        // Whoever reads has heard enough.
        Err(Ended::Unheard) | Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Ended::Wrong(problem)) => Err(problem),
    }
}

/// Why it ended early.
enum Ended {
    /// Nobody reads what is printed.
    Unheard,
    /// Something is wrong.
    Wrong(String),
}

/// What the input says.
enum Said {
    Line(String),
    Unreadable(String),
    End,
}

struct Simulation {
    nodes: Nodes,
    json: bool,
    /// Lines so far.
    line: u64,
}

impl Simulation {
    fn new(args: &Args) -> Result<Self, String> {
        Ok(Self {
            nodes: Nodes::awake(args.seed)?,
            json: args.json,
            line: 0,
        })
    }

    async fn go_on(mut self, args: &Args) -> Result<(), Ended> {
        let mut said = read_input();
        let begun = Instant::now();
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        self.print()?;
        loop {
            let heard = tokio::select! {
                biased;
                _ = &mut interrupt => break,
                heard = said.recv() => heard.unwrap_or(Said::End),
                () = tokio::time::sleep(TICK), if !args.fast => {
                    self.run_to(since(begun))?;
                    continue;
                }
            };
            if !args.fast {
                self.run_to(since(begun))?;
            }
            match heard {
                Said::End => break,
                Said::Unreadable(problem) => return Err(Ended::Wrong(problem)),
                Said::Line(line) => {
                    let understood = self.hear(&line);
                    self.print()?;
                    if args.fast && understood {
                        let until = Time(self.nodes.now().0 + ms(args.step * 1000).0);
                        self.run_to(until)?;
                    }
                }
            }
        }
        self.nodes.end();
        self.print()
    }

    /// Whether the line says something.
    fn hear(&mut self, line: &str) -> bool {
        self.line += 1;
        match line.trim().parse::<u64>() {
            Ok(0) => self.nodes.no_traffic(),
            Ok(amount) => self.nodes.traffic(amount),
            Err(_) => {
                eprintln!(
                    "pehra sim: line {}: {:?} is no whole number from 0 to {}; passed over. Type 0 for no traffic, a number \
                     above 0 for traffic",
                    self.line,
                    line.trim(),
                    u64::MAX
                );
                return false;
            }
        }
        true
    }

    fn run_to(&mut self, until: Time) -> Result<(), Ended> {
        let outcome = self.nodes.run_to(until);
        self.print()?;
        outcome.map_err(Ended::Wrong)
    }

    fn print(&mut self) -> Result<(), Ended> {
        let mut out = io::stdout().lock();
        for event in self.nodes.events.drain(..) {
            let line = if self.json { event.json() } else { event.text() };
            writeln!(out, "{line}").map_err(unheard)?;
        }
        out.flush().map_err(unheard)
    }
}

fn unheard(error: io::Error) -> Ended {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Ended::Unheard
    } else {
        Ended::Wrong(format!("cannot print: {error}"))
    }
}

fn since(begun: Instant) -> Time {
    ms(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX / 2000))
}

/// Reads lines beside everything else. The thread may wait for a line when the process ends.
fn read_input() -> UnboundedReceiver<Said> {
    let (tell, said) = unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let one = match line {
                Ok(line) => Said::Line(line),
                // What is no text is a bad line, and the next one may be good.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => Said::Line("\u{fffd}".into()),
                Err(error) => Said::Unreadable(format!("cannot read the input: {error}")),
            };
            if tell.send(one).is_err() {
                return;
            }
        }
        let _ = tell.send(Said::End);
    });
    said
}
