//! Plays flight recordings again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pehra_core::delivery::Receiver;
use pehra_core::election::Election;
use pehra_core::pipeline::Pipeline;
use pehra_core::replication::Replication;
use pehra_core::window::Tuple;
use pehra_core::wire::Replayable;
use pehra_driver::{BadRecording, Recording, Replayed};

/// Feed flight recordings to the code of this build, and compare what it says with what was said.
///
/// Exit code 1 if anything differs.
///
/// Examples:
///   pehra replay flight/*.rec
///   pehra replay --trace flight/edge-00001795590000000000.rec
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Recordings, as edge, cloud and broker write them with --flight-recorder
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print every input and output
    #[arg(long)]
    trace: bool,
    /// One JSON object for each recording
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let mut same = true;
    for file in &args.files {
        let recording = Recording::read(file).map_err(|error| error.to_string())?;
        let replayed = match recording.protocol() {
            Pipeline::NAME => play::<Pipeline>(&recording, args.trace),
            Receiver::<Tuple>::NAME => play::<Receiver<Tuple>>(&recording, args.trace),
            Election::<()>::NAME => play::<Election<()>>(&recording, args.trace),
            Replication::<Vec<u8>>::NAME => play::<Replication<Vec<u8>>>(&recording, args.trace),
            other => return Err(format!("{}: this build has no protocol {other:?}", file.display())),
        }
        .map_err(|error| format!("{}: {error}", file.display()))?;
        same &= replayed.difference.is_none();
        println!(
            "{}",
            if args.json {
                json(file, &recording, &replayed)
            } else {
                text(file, &recording, &replayed)
            }
        );
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn play<P: Replayable>(recording: &Recording, trace: bool) -> Result<Replayed, BadRecording> {
    recording.play::<P>(|line| {
        if trace {
            println!("{line}");
        }
    })
}

fn text(file: &Path, recording: &Recording, replayed: &Replayed) -> String {
    let end = match (recording.is_full, recording.is_cut_short) {
        (true, _) => "; it was full, so the end is missing",
        (false, true) => "; its last entry was cut short",
        (false, false) => "",
    };
    let verdict = replayed
        .difference
        .as_ref()
        .map_or_else(|| "the same".to_owned(), |what| format!("DIFFERENT: {what}"));
    format!(
        "{}: {} inputs, {} commits, {} outputs: {verdict}{end}",
        file.display(),
        replayed.inputs,
        replayed.persisted,
        replayed.outputs
    )
}

fn json(file: &Path, recording: &Recording, replayed: &Replayed) -> String {
    serde_json::json!({
        "file": file.display().to_string(),
        "protocol": recording.protocol(),
        "inputs": replayed.inputs,
        "commits": replayed.persisted,
        "outputs": replayed.outputs,
        "same": replayed.difference.is_none(),
        "difference": replayed.difference,
        "cut_short": recording.is_cut_short,
        "full": recording.is_full,
    })
    .to_string()
}
