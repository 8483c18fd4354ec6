//! GEM House files: one household's readings as CSV.
//!
//! Line 1 is the word `household`, line 2 the column names `date,timestamp,energy,power,power1,power2,power3`, then
//! one reading a line: date in UTC, Unix milliseconds, import register in 10⁻¹⁰ kWh, power and its three phases in
//! milliwatts. The file's name is the household's. Files are read line by line, however long they are.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, StringRecord, StringRecordsIntoIter};

use crate::{FileError, Label, Reading, Sent, clock, record};

/// The first line.
pub const TITLE: &str = "household";

/// The columns, in their order.
pub const COLUMNS: [&str; 7] = ["date", "timestamp", "energy", "power", "power1", "power2", "power3"];

const PREPARE: &str = "is this a raw file? prepare it first";
const NUMBER: &str = "correct or delete this line";
const ORDER: &str = "sort the lines by time and keep each time once";

/// One line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Event time, Unix milliseconds.
    pub time_ms: i64,
    /// The import register, units of 10⁻¹⁰ kWh.
    pub register: u64,
    /// Power in milliwatts.
    pub power_mw: i64,
    /// The three phases in milliwatts.
    pub phases_mw: [i64; 3],
}

/// A file, read as it is needed.
pub struct HouseFile {
    path: PathBuf,
    rows: StringRecordsIntoIter<Box<dyn Read + Send>>,
    before_ms: Option<i64>,
}

impl core::fmt::Debug for HouseFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HouseFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl HouseFile {
    /// Opens a file and checks its first two lines.
    ///
    /// # Errors
    ///
    /// The file cannot be read or does not begin with the title and the column names.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|error| FileError::io(path, error))?;
        Self::from_reader(path, Box::new(BufReader::new(file)))
    }

    fn from_reader(path: &Path, reader: Box<dyn Read + Send>) -> Result<Self, FileError> {
        let mut rows = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(reader)
            .into_records();
        let wanted: [&[&str]; 2] = [&[TITLE], &COLUMNS];
        for (line, wanted) in (1..).zip(wanted) {
            let found = match rows.next() {
                Some(record) => record.map_err(|error| FileError::csv(path, error))?,
                None => StringRecord::new(),
            };
            let texts = found.iter().map(|text| text.trim_start_matches('\u{feff}').trim());
            if !texts.eq(wanted.iter().copied()) {
                let text = format!("the line is not `{}`", wanted.join(","));
                return Err(FileError::content(path, Some(line), text, PREPARE));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            rows,
            before_ms: None,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn row(&mut self, record: &StringRecord) -> Result<Row, FileError> {
        let line = record.position().map(csv::Position::line);
        let row = Row::read(record).map_err(|found| FileError::content(&self.path, line, found, NUMBER))?;
        if let Some(before) = self.before_ms.filter(|&before| before >= row.time_ms) {
            let found = format!(
                "the time {} ms does not lie behind {before} ms of the line before",
                row.time_ms
            );
            return Err(FileError::content(&self.path, line, found, ORDER));
        }
        self.before_ms = Some(row.time_ms);
        Ok(row)
    }
}

impl Iterator for HouseFile {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.rows.next()?;
        Some(
            record
                .map_err(|error| FileError::csv(&self.path, error))
                .and_then(|record| self.row(&record)),
        )
    }
}

impl Row {
    /// Reads the seven fields in their order; the date is only looked at as a text, the time is in `timestamp`.
    fn read(record: &StringRecord) -> Result<Self, String> {
        if record.len() != COLUMNS.len() {
            return Err(format!("{} fields where {} belong", record.len(), COLUMNS.len()));
        }
        let number = |column: usize| -> Result<i64, String> { number(COLUMNS[column], &record[column]) };
        let time_ms = number(1)?;
        if !(0..=clock::LAST_MS).contains(&time_ms) {
            return Err(format!("`timestamp` {time_ms} lies outside 1970 to 9999"));
        }
        let register = u64::try_from(number(2)?).map_err(|_| "`energy` is negative".to_owned())?;
        let power_mw = number(3)?;
        if power_mw.unsigned_abs() > record::MAX_POWER_MW.unsigned_abs() {
            return Err(format!("`power` {power_mw} mW is beyond {} mW", record::MAX_POWER_MW));
        }
        Ok(Self {
            time_ms,
            register,
            power_mw,
            phases_mw: [number(4)?, number(5)?, number(6)?],
        })
    }

    /// Writes the line for this row.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let ([one, two, three], date) = (self.phases_mw, clock::date_text(self.time_ms));
        writeln!(
            to,
            "{date},{},{},{},{one},{two},{three}",
            self.time_ms, self.register, self.power_mw
        )
    }
}

pub(crate) fn number(column: &str, text: &str) -> Result<i64, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("`{column}` is `{}`, no whole number", text.escape_debug()))
}

/// Writes the first two lines of a file.
///
/// # Errors
///
/// Those of the writer.
pub fn write_head(to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "{TITLE}\n{}", COLUMNS.join(","))
}

/// The files of a directory merged by time; an iterator over what the households send.
#[derive(Debug)]
pub struct Merged {
    files: Vec<(String, HouseFile)>,
    /// The next row of each file that has one, earliest on top.
    next: BinaryHeap<Reverse<(i64, usize)>>,
    rows: Vec<Option<Row>>,
    failed: Option<FileError>,
}

/// Opens every `*.csv` of a directory.
///
/// # Errors
///
/// The directory cannot be read or holds no such file, or one of them cannot be opened; errors further down a file
/// come out of the iterator.
pub fn read_dir(dir: &Path) -> Result<Merged, FileError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| FileError::io(dir, error))? {
        let path = entry.map_err(|error| FileError::io(dir, error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(FileError::content(
            dir,
            None,
            "no *.csv file here",
            "name the directory of the prepared files",
        ));
    }
    paths.sort();
    let mut merged = Merged {
        files: Vec::new(),
        next: BinaryHeap::new(),
        rows: Vec::new(),
        failed: None,
    };
    for path in paths {
        let name = format!("household_{}", path.file_stem().unwrap_or_default().to_string_lossy());
        if name.len() > record::MAX_NAME {
            let found = format!("the household's name `{name}` has more than {} bytes", record::MAX_NAME);
            return Err(FileError::content(path, None, found, "give the file a shorter name"));
        }
        merged.files.push((name, HouseFile::open(&path)?));
        merged.rows.push(None);
        merged.advance(merged.files.len() - 1)?;
    }
    Ok(merged)
}

impl Merged {
    /// The households, in the order of their files.
    pub fn households(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// Reads the next row of a file.
    fn advance(&mut self, index: usize) -> Result<(), FileError> {
        self.rows[index] = self.files[index].1.next().transpose()?;
        self.next
            .extend(self.rows[index].map(|row| Reverse((row.time_ms, index))));
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = Result<Sent, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.next.clear();
            return Some(Err(error));
        }
        let Reverse((now_ms, index)) = self.next.pop()?;
        let row = self.rows[index]?;
        // The row at hand is good even if the one behind it is not: that comes out next, and ends the stream.
        self.failed = self.advance(index).err();
        let household = self.files[index].0.clone();
        let register = Some(row.register);
        let reading = Reading {
            household: household.clone(),
            time_ms: now_ms,
            power_mw: row.power_mw,
            register,
        };
        let payload = record::to_json(&reading);
        Some(Ok(Sent {
            now_ms,
            household,
            payload,
            label: Label::Fresh,
            reading: Some(reading),
        }))
    }
}
