//! Golden traces: scripts in `golden/*.txt`, each a story of one edge and its cloud, with all that both say.
//!
//! The scripts are read line by line: a command, and below `---` what came of it. To rewrite what is expected after a
//! change that is meant, run `UPDATE_GOLDENFILES=1 cargo test -p pehra-core --test golden` and read the difference.
//!
//! | command | does |
//! | --- | --- |
//! | `start` | prints what both said when they started |
//! | `append a1 b1` | appends rows; the first letter is the household |
//! | `reading house=a time=1000 power=5` | offers the next record of the source; also `now=`, `register=`, `at=`, `partition=` |
//! | `unreadable text`, `gone to=9` | offers a record that is no reading, or says that the source lost some |
//! | `draw edge` | gives the edge the number that it asked for |
//! | `persist edge` | makes its oldest commit durable; `persist edge all` makes all |
//! | `answer cloud` | answers its oldest query from what is durable |
//! | `deliver to=cloud` | delivers the oldest message that is on its way there; `nth=2` takes the one behind it |
//! | `again to=cloud` | delivers once more what was delivered last |
//! | `drop to=cloud` | loses the oldest message; `drop to=cloud all` loses all |
//! | `settle edge` | draws, persists and answers until it has nothing left to do by itself |
//! | `calm` | settles both and delivers everything until all is quiet |
//! | `fire edge retry` | fires an armed timer |
//! | `link up`, `stalled true`, `paused` | tells the edge; `stalled true cloud` tells the cloud |
//! | `crash edge keep=1` | kills and restarts it; of its open commits the first `keep` had reached the disk |
//! | `wipe cloud` | its store is lost, and it restarts with a new one |
//! | `save edge`, `restore edge` | copies the edge's store; restarts it from that copy |
//! | `show edge`, `show cloud` | prints its store |
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

#[path = "shared/letter.rs"]
mod letter;
#[path = "shared/site.rs"]
mod site;
#[path = "shared/speech.rs"]
mod speech;
#[path = "shared/world.rs"]
mod world;

use pehra_core::delivery::{Append, EdgeImage, ReceiverConfig, Sender, SenderConfig, SenderTimer};
use pehra_core::node::GateBound;
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, PipelineImage, PipelineTimer, Taken};
use pehra_core::types::{Household, Ticks};
use pehra_core::window::{Reading, Take, Tuple, WindowConfig, WindowTimer};

use goldenscript::ArgumentConsumer;
use letter::Letter;
use site::Site;
use world::{CLOUD, EDGE, Edge, Failure, World, key};

#[test]
fn delivery() {
    run::<Sender<Letter>>("delivery", sender(), GateBound::DEPLOYED);
}

#[test]
fn rewind() {
    run::<Sender<Letter>>("rewind", sender(), GateBound::DEPLOYED);
}

#[test]
fn fencing() {
    run::<Sender<Letter>>("fencing", sender(), GateBound::DEPLOYED);
}

#[test]
fn gate() {
    run::<Sender<Letter>>("gate", sender(), GateBound { commits: 2, held: 16 });
}

#[test]
fn window() {
    run::<Pipeline>("window", pipeline(), GateBound::DEPLOYED);
}

#[test]
fn pipeline_and_source() {
    run::<Pipeline>("pipeline", pipeline(), GateBound::DEPLOYED);
}

fn run<E: Edge>(script: &str, edge: E::Config, bound: GateBound) {
    let mut cloud = ReceiverConfig::deployed(EDGE);
    cloud.credit = 6;
    let mut world = World::<E>::new(edge, cloud, bound);
    goldenscript::run(&mut world, format!("tests/golden/{script}.txt")).unwrap();
}

/// Small enough that every bound is met within a few rows.
fn sender() -> SenderConfig {
    SenderConfig {
        batch_rows: 2,
        flights: 2,
        retain_rows: 4,
        backlog_rows: 8,
        ..SenderConfig::deployed(CLOUD)
    }
}

fn pipeline() -> PipelineConfig {
    PipelineConfig {
        windows: WindowConfig {
            width_ms: 1000,
            slack_ms: 200,
            lateness_ms: 3000,
            future_ms: 10_000,
            power_max_mw: 100,
            households_max: 2,
            readings_max: 3,
            idle: Ticks(10_000),
        },
        sender: SenderConfig {
            backlog_rows: 20,
            ..sender()
        },
        #[cfg(seeded_bugs)]
        bug: None,
    }
}

impl Edge for Sender<Letter> {
    type Row = Letter;
    type Disk = EdgeImage<Letter>;

    fn outbox(disk: &EdgeImage<Letter>) -> &EdgeImage<Letter> {
        disk
    }

    fn by_name(timer: &str) -> Option<SenderTimer> {
        match timer {
            "retry" => Some(SenderTimer::Retry),
            "heartbeat" => Some(SenderTimer::Heartbeat),
            _ => None,
        }
    }

    fn commands(
        _: &Site<Self, Self::Disk>,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Result<Option<Vec<Append<Letter>>>, Failure> {
        if name != "append" {
            return Ok(None);
        }
        let mut rows = Vec::new();
        while let Some(text) = args.next_pos() {
            rows.push(Append(Letter(text.to_owned())));
        }
        Ok(Some(rows))
    }
}

impl Edge for Pipeline {
    type Row = Tuple;
    type Disk = PipelineImage;

    fn outbox(disk: &PipelineImage) -> &EdgeImage<Tuple> {
        disk.outbox()
    }

    fn by_name(timer: &str) -> Option<PipelineTimer> {
        match timer {
            "sweep" => Some(PipelineTimer::Window(WindowTimer::Sweep)),
            _ => Sender::<Letter>::by_name(timer).map(PipelineTimer::Sender),
        }
    }

    fn commands(
        site: &Site<Self, Self::Disk>,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Result<Option<Vec<Taken>>, Failure> {
        let partition = key(args, "partition")?.unwrap_or(0);
        let stands = site.node.state().position(partition).unwrap_or(0);
        let before = key(args, "at")?.unwrap_or(stands);
        let mut after = before + 1;
        let content = match name {
            "reading" => Content::Reading(take(args)?),
            "unreadable" => Content::Unreadable(args.next_pos().unwrap_or_default().into()),
            "gone" => {
                after = key(args, "to")?.ok_or("gone: to=?")?;
                Content::Gone
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![Taken {
            partition,
            before,
            after,
            content,
        }]))
    }
}

fn take(args: &mut ArgumentConsumer<'_>) -> Result<Take, Failure> {
    let house: String = key(args, "house")?.ok_or("reading: house=?")?;
    let time_ms = key(args, "time")?.ok_or("reading: time=?")?;
    let reading = Reading {
        household: Household::new(&house).ok_or("reading: a name that is empty or too long")?,
        time_ms,
        power_mw: key(args, "power")?.ok_or("reading: power=?")?,
        register: key(args, "register")?,
    };
    let now_ms = key(args, "now")?.unwrap_or(time_ms);
    Ok(Take { reading, now_ms })
}
