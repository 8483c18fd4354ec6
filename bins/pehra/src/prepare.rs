//! Raw GEM House CSV into the reader's format.

use std::path::PathBuf;
use std::process::ExitCode;

use pehra_households::{clock, prepare};

/// Turn raw GEM House CSV into the format that --households reads.
///
/// Example: pehra prepare raw/*.csv --to data --from "2019-12-24 17:00:00" --until "2019-12-24 18:00:00"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Raw files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Folder for the results; each keeps its name
    #[arg(long)]
    to: PathBuf,
    /// Keep readings from this time on (UTC)
    #[arg(long)]
    from: Option<String>,
    /// Keep readings before this time (UTC)
    #[arg(long)]
    until: Option<String>,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let time = |text: &Option<String>, without: i64| match text {
        None => Ok(without),
        Some(text) => {
            clock::parse_date(text).ok_or_else(|| format!("{text:?} is no time: expected YYYY-MM-DD HH:MM:SS, in UTC"))
        }
    };
    let range = time(&args.from, i64::MIN)?..time(&args.until, i64::MAX)?;
    std::fs::create_dir_all(&args.to).map_err(|error| format!("cannot make {}: {error}", args.to.display()))?;
    for file in &args.files {
        let name = file
            .file_name()
            .ok_or_else(|| format!("{} is no file", file.display()))?;
        let to = args.to.join(name);
        let done = prepare::prepare(file, &to, Some(range.clone())).map_err(|error| error.to_string())?;
        println!("{}: {} of {} readings", to.display(), done.written, done.read);
    }
    Ok(ExitCode::SUCCESS)
}
