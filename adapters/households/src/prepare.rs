//! From a raw GEM House file to the form [`crate::gem`] reads.
//!
//! Raw files have no title line, dates with milliseconds, commas or semicolons between the columns, and sometimes
//! more columns than are needed. The columns are found by their names. The result is written beside its place and
//! then put there in one move, so a file that is there is whole.

use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, StringRecord};

use crate::{
    FileError, clock,
    gem::{self, COLUMNS, Row},
};

const COLUMN_ADVICE: &str = "the first line must name the columns date, timestamp, energy, power, power1 to power3";
/// Time zones differ by quarters of an hour; the date that is written is in UTC, whatever zone the raw one is in.
const ZONE_S: i64 = 900;

const LINE_ADVICE: &str = "correct or delete this line";

/// What became of a raw file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// Readings in the raw file.
    pub read: u64,
    /// Readings written: those within the range.
    pub written: u64,
}

/// Reads the raw file `from`, keeps the readings whose time lies in `range` (all without one) and puts the result at
/// `to`.
///
/// # Errors
///
/// A file cannot be read or written, a column is missing, or a line cannot be understood; then `to` is as it was.
pub fn prepare(from: &Path, to: &Path, range: Option<Range<i64>>) -> Result<Prepared, FileError> {
    let unfinished = beside(to);
    let done = write(from, &unfinished, range).and_then(|done| {
        fs::rename(&unfinished, to)
            .map(|()| done)
            .map_err(|error| FileError::io(to, error))
    });
    if done.is_err() {
        // Nothing to add if this fails too: the first error is the one to tell.
        let _ = fs::remove_file(&unfinished);
    }
    let done = done?;
    let dir = to
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| FileError::io(dir, error))?;
    Ok(done)
}

/// The name of the unfinished file: no `.csv`, so that no reader of the directory takes it up.
fn beside(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.unfinished", std::process::id()));
    to.with_file_name(name)
}

fn write(from: &Path, unfinished: &Path, range: Option<Range<i64>>) -> Result<Prepared, FileError> {
    let raw = File::open(from).map_err(|error| FileError::io(from, error))?;
    let file = File::create(unfinished).map_err(|error| FileError::io(unfinished, error))?;
    let mut to = BufWriter::new(file);
    let done = convert(from, raw, &mut to, unfinished, range)?;
    let file = to
        .into_inner()
        .map_err(|error| FileError::io(unfinished, error.into_error()))?;
    file.sync_all().map_err(|error| FileError::io(unfinished, error))?;
    Ok(done)
}

fn convert(
    from: &Path,
    raw: impl Read,
    to: &mut impl Write,
    unfinished: &Path,
    range: Option<Range<i64>>,
) -> Result<Prepared, FileError> {
    let failed = |error| FileError::io(unfinished, error);
    let mut rows = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(raw)
        .into_records();
    let mut columns: Option<[usize; 7]> = None;
    let (mut done, mut before) = (Prepared { read: 0, written: 0 }, i64::MIN);
    gem::write_head(to).map_err(failed)?;
    while let Some(record) = rows.next().transpose().map_err(|error| FileError::csv(from, error))? {
        let line = record.position().map(csv::Position::line);
        let bad = |found: String, advice| FileError::content(from, line, found, advice);
        let fields = fields(&record);
        let Some(places) = &columns else {
            if line == Some(1) && fields.len() == 1 && fields[0] == gem::TITLE {
                continue;
            }
            columns = Some(places(&fields).map_err(|found| bad(found, COLUMN_ADVICE))?);
            continue;
        };
        let row = row(&fields, places).map_err(|found| bad(found, LINE_ADVICE))?;
        if row.time_ms <= before {
            let found = format!(
                "the time {} ms does not lie behind {before} ms of the line before",
                row.time_ms
            );
            return Err(bad(found, "sort the lines by time and keep each time once"));
        }
        before = row.time_ms;
        done.read += 1;
        if range.as_ref().is_none_or(|range| range.contains(&row.time_ms)) {
            row.write(to).map_err(failed)?;
            done.written += 1;
        }
    }
    if columns.is_none() {
        return Err(FileError::content(from, None, "the file is empty", COLUMN_ADVICE));
    }
    Ok(done)
}

/// The fields of a line, whichever of the two separators it uses. No field of these files contains either.
fn fields(record: &StringRecord) -> Vec<&str> {
    let parts = record.iter().flat_map(|part| part.split(';'));
    parts
        .map(|field| field.trim_start_matches('\u{feff}').trim().trim_matches('"'))
        .collect()
}

/// Where each of [`COLUMNS`] stands.
fn places(fields: &[&str]) -> Result<[usize; 7], String> {
    let mut places = [0; 7];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = fields.iter().position(|field| field.eq_ignore_ascii_case(column));
        *place = found.ok_or_else(|| format!("no column `{column}`"))?;
    }
    Ok(places)
}

fn row(fields: &[&str], places: &[usize; 7]) -> Result<Row, String> {
    let text = |column: usize| {
        let field = fields.get(places[column]);
        field
            .copied()
            .ok_or_else(|| format!("no field for `{}`, only {} fields", COLUMNS[column], fields.len()))
    };
    let number = |column: usize| text(column).and_then(|text| gem::number(COLUMNS[column], text));
    let time_ms = number(1)?;
    let date = text(0)?;
    match clock::parse_date(date) {
        None => Err(format!("`date` is `{}`, no date", date.escape_debug())),
        Some(ms) if (ms / 1_000 - time_ms / 1_000) % ZONE_S != 0 => Err(format!(
            "`date` {date} and `timestamp` {time_ms} are not the same second in any time zone"
        )),
        Some(_) => Ok(()),
    }?;
    let register = u64::try_from(number(2)?).map_err(|_| "`energy` is negative".to_owned())?;
    Ok(Row {
        time_ms,
        register,
        power_mw: number(3)?,
        phases_mw: [number(4)?, number(5)?, number(6)?],
    })
}
