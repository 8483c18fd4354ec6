//! GEM House files: written, prepared, read back; and what is said about broken ones.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::{fs, path::Path};

use pehra_households::{
    Label, STEP_MS,
    gem::{self, COLUMNS, HouseFile, Row},
    meter::Meter,
    prepare::{Prepared, prepare},
    record,
};

const START: i64 = 1_577_206_800_123;

fn rows(index: u64, n: i64) -> Vec<Row> {
    let mut meter = Meter::new(8, index, false);
    (0..n)
        .map(|k| {
            let time_ms = START + index as i64 * 700 + k * STEP_MS;
            let sample = meter.step(time_ms);
            Row {
                time_ms,
                register: sample.register,
                power_mw: sample.power_mw,
                phases_mw: sample.phases_mw,
            }
        })
        .collect()
}

fn write(path: &Path, rows: &[Row]) {
    let mut text = Vec::new();
    gem::write_head(&mut text).unwrap();
    rows.iter().for_each(|row| row.write(&mut text).unwrap());
    fs::write(path, text).unwrap();
}

/// The raw form: no title, milliseconds in the date, semicolons, a column more, another order.
fn raw(rows: &[Row]) -> String {
    let mut text = "timestamp;date;energy;energyOut;power;power1;power2;power3\n".to_owned();
    for row in rows {
        let date = pehra_households::clock::date_text(row.time_ms);
        let [one, two, three] = row.phases_mw;
        let (time, register, power) = (row.time_ms, row.register, row.power_mw);
        text += &format!(
            "{time};{date}.{:03};{register};0;{power};{one};{two};{three}\n",
            time % 1_000
        );
    }
    text
}

fn read(path: &Path) -> Vec<Row> {
    HouseFile::open(path).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn rows_come_back_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ab.csv");
    let rows = rows(0, 500);
    write(&path, &rows);
    assert_eq!(read(&path), rows);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("household\ndate,timestamp,energy,power,power1,power2,power3\n2019-12-24 17:00:00,"));
}

#[test]
fn a_directory_is_merged_by_time() {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..4 {
        write(
            &dir.path().join(format!("{index:064x}.csv")),
            &rows(index, 100 + index as i64),
        );
    }
    fs::write(dir.path().join("README.md"), "not a household").unwrap();
    let merged = gem::read_dir(dir.path()).unwrap();
    assert_eq!(merged.households().count(), 4);
    let sent: Vec<_> = merged.collect::<Result<_, _>>().unwrap();
    assert_eq!(sent.len(), 406);
    assert!(sent.is_sorted_by_key(|sent| sent.now_ms));
    assert!(sent.iter().all(|sent| sent.label == Label::Fresh));
    assert_eq!(sent[0].household, format!("household_{}", "0".repeat(64)));
    let parsed = record::parse(&sent[7].payload, sent[7].now_ms).ok();
    assert!(parsed.is_some() && parsed == sent[7].reading);
}

#[test]
fn raw_files_are_prepared_with_either_separator_and_a_range() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("raw.txt"), dir.path().join("house.csv"));
    let rows = rows(3, 300);
    for text in [
        raw(&rows),
        raw(&rows).replace(';', ","),
        format!("household\n{}", raw(&rows)),
    ] {
        fs::write(&from, text).unwrap();
        assert_eq!(
            prepare(&from, &to, None).unwrap(),
            Prepared {
                read: 300,
                written: 300
            }
        );
        assert_eq!(read(&to), rows);
        let range = rows[10].time_ms..rows[20].time_ms;
        assert_eq!(
            prepare(&from, &to, Some(range)).unwrap(),
            Prepared { read: 300, written: 10 }
        );
        assert_eq!(read(&to), rows[10..20]);
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "nothing unfinished is left"
    );
}

#[test]
fn a_file_that_cannot_be_prepared_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("raw.csv"), dir.path().join("house.csv"));
    fs::write(&to, "old").unwrap();
    let good = raw(&rows(0, 3));
    for (text, said) in [
        (String::new(), "raw.csv: the file is empty; the first line must name"),
        (
            good.replace("power2", "watts"),
            "raw.csv:1: no column `power2`; the first line must name",
        ),
        (
            good.replace("2019-12-24 17:00:02", "yesterday"),
            "raw.csv:3: `date` is `yesterday.123`, no date; correct",
        ),
        (
            good.replace("2019-12-24 17:00:02", "2019-12-24 17:00:07"),
            "raw.csv:3: `date` 2019-12-24 17:00:07.123 and",
        ),
        (good.replace(";0;", ";0;x"), "raw.csv:2: `power` is `x"),
        (
            format!("{good}{}", good.lines().next_back().unwrap()),
            "raw.csv:5: the time 1577206804123 ms does not lie",
        ),
        (
            format!("{good}1577206806123;2019-12-24 17:00:06.123;1\n"),
            "raw.csv:5: no field for `power`, only 3 fields",
        ),
    ] {
        fs::write(&from, &text).unwrap();
        let error = prepare(&from, &to, None).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
    let error = prepare(&dir.path().join("none.csv"), &to, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("none.csv: ") && error.contains("os error 2"), "{error}");
}

#[test]
fn broken_files_are_named_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("house.csv");
    let head = format!("household\n{}\n", COLUMNS.join(","));
    let first = "2019-12-24 17:00:01,1577206801842,90902114006000,1636020,167620,1357840,110560\n";
    for (text, said) in [
        (
            COLUMNS.join(","),
            "house.csv:1: the line is not `household`; is this a raw file? prepare it first",
        ),
        (
            "household\n".to_owned(),
            "house.csv:2: the line is not `date,timestamp,",
        ),
        (
            format!("{head}{first}2019,1,2\n"),
            "house.csv:4: 3 fields where 7 belong; correct or delete this line",
        ),
        (
            format!("{head}{first}{first}"),
            "house.csv:4: the time 1577206801842 ms does not lie behind",
        ),
        (
            format!("{head}{}", first.replace("1636020", "1.6e6")),
            "house.csv:3: `power` is `1.6e6`, no whole number",
        ),
        (
            format!("{head}{}", first.replace("90902114006000", "-9")),
            "house.csv:3: `energy` is negative",
        ),
        (
            format!("{head}{}", first.replace("1636020", "1000000000001")),
            "is beyond 1000000000000 mW",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let result = HouseFile::open(&path).and_then(|file| file.collect::<Result<Vec<_>, _>>());
        let error = result.expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
    // Everything before the broken line still comes out of the merge, then the error, then nothing.
    fs::write(&path, format!("{head}{first}oops\n{first}")).unwrap();
    let results: Vec<_> = gem::read_dir(dir.path()).unwrap().collect();
    assert!(results.len() == 2 && results[0].is_ok() && results[1].is_err());

    fs::remove_file(&path).unwrap();
    let error = gem::read_dir(dir.path()).unwrap_err().to_string();
    assert!(
        error.ends_with(": no *.csv file here; name the directory of the prepared files"),
        "{error}"
    );
}
