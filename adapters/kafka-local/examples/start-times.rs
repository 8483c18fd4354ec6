//! How long Kafka takes to start with its classes archived and without, in turns: a tool until it ends, a broker until it serves, and
//! what a broker has had of the processors by then. On an idle machine a broker mostly waits for its controller.
//!
//! Example: cargo run -p pehra-kafka-local --example start-times -- 5

use std::error::Error;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pehra_kafka_local::{FIRST_CONTROLLER, Jars, Layout, Options};
use rustix::process::{Pid, Signal, kill_process};

const LONGEST: Duration = Duration::from_secs(60);

/// Linux tells a hundredth of a second to programs, whatever it counts in itself.
const TICK_MS: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(5), |rounds| rounds.parse())?;
    let jars = Jars::fetch()?;
    println!("archive: {:?}; {rounds} rounds", jars.archive());
    let folder = tempfile::tempdir()?;
    let options = Options {
        brokers: 1,
        controllers: 1,
        ..Options::default()
    };
    let free_port = || Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
    let layout = Layout::make(folder.path(), jars, &options, free_port)?;
    let (_controller, _) = start(&layout, FIRST_CONTROLLER, true)?;
    // With the archive, and without.
    let (mut tools, mut brokers, mut worked) = (
        <[Vec<_>; 2]>::default(),
        <[Vec<_>; 2]>::default(),
        <[Vec<_>; 2]>::default(),
    );
    for _ in 0..rounds {
        for (at, with) in [true, false].into_iter().enumerate() {
            let began = Instant::now();
            let tool = layout.tool("org.apache.kafka.tools.TopicCommand", &["--version"]);
            let ended = told(&tool, with).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
            assert!(ended.success(), "the tool failed");
            tools[at].push(began.elapsed());
            let (mut broker, took) = start(&layout, 1, with)?;
            brokers[at].push(took);
            worked[at].push(broker.worked()?);
            broker.end()?;
        }
    }
    for (what, [with, without]) in [
        ("a tool", tools),
        ("a broker", brokers),
        ("of the processors, a broker", worked),
    ] {
        println!("{what}: with {}, without {}", spread(with), spread(without));
    }
    Ok(())
}

/// The same, with or without the archive.
fn told(command: &Command, with: bool) -> Command {
    let archive = "-XX:SharedArchiveFile=";
    let mut told = Command::new(command.get_program());
    told.args(
        command
            .get_args()
            .filter(|word| with || !word.to_string_lossy().starts_with(archive)),
    );
    told.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    told.stdin(Stdio::null());
    told
}

fn start(layout: &Layout, id: u16, with: bool) -> Result<(Node, Duration), Box<dyn Error>> {
    let log = File::create(layout.log_path(id))?;
    let began = Instant::now();
    let node = Node(
        told(&layout.command(id), with)
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()?,
    );
    while !layout.serves(id) {
        assert!(began.elapsed() < LONGEST, "{}", layout.log(id));
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok((node, began.elapsed()))
}

struct Node(Child);

impl Node {
    /// What it has had of the processors so far.
    fn worked(&self) -> Result<Duration, Box<dyn Error>> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // Behind the name, which may hold anything, the 12th and 13th: in its own code, and in the kernel's.
        let (_, fields) = stat.rsplit_once(')').ok_or("its name ends")?;
        let ticks: Vec<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * TICK_MS))
    }

    /// Cleanly: a broker that was killed waits for its last session when it starts.
    fn end(&mut self) -> Result<(), Box<dyn Error>> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("it has a number")?, Signal::TERM)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    let (median, worst) = (times.get(times.len() / 2), times.last());
    format!(
        "{:.2} s at the median, {:.2} s at worst",
        seconds(median),
        seconds(worst)
    )
}
