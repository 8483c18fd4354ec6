//! Reading what the edge's store holds. Nothing here reads the outbox as a whole.

use std::collections::HashMap;

use pehra_core::delivery::{Rows, RowsQuery, SenderDurable, Seq};
use pehra_core::types::Household;
use pehra_core::window::{Closed, House, Kept, Span, Tuple};
use rusqlite::{Connection, OptionalExtension, Row, params};

fn seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    Ok(Seq(row.get::<_, i64>(column)?.cast_unsigned()))
}

pub(crate) fn read_cursors(connection: &Connection) -> rusqlite::Result<Option<SenderDurable>> {
    connection
        .prepare_cached("SELECT epoch, last, sent, acked, oldest FROM cursors")?
        .query_row([], |row| {
            Ok(SenderDurable {
                epoch: row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
                last: seq(row, 1)?,
                sent: seq(row, 2)?,
                acked: seq(row, 3)?,
                oldest: seq(row, 4)?,
            })
        })
        .optional()
}

pub(crate) fn read_positions(connection: &Connection) -> rusqlite::Result<Vec<(u16, u64)>> {
    connection
        .prepare("SELECT partition, next FROM positions ORDER BY partition")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
        .collect()
}

pub(crate) fn read_houses(
    connection: &Connection,
    households: &mut HashMap<Household, i64>,
) -> rusqlite::Result<Vec<House>> {
    let mut names = connection.prepare("SELECT id, name, until_ms FROM households")?;
    let mut kept =
        connection.prepare("SELECT time_ms, power_mw, register FROM kept WHERE household = ?1 ORDER BY 1")?;
    let mut closed = connection.prepare("SELECT start_ms, revision FROM closed WHERE household = ?1 ORDER BY 1")?;
    let mut houses = Vec::new();
    let mut rows = names.query([])?;
    households.clear();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let text: String = row.get(1)?;
        let Some(name) = Household::new(&text) else { continue };
        households.insert(name, id);
        let kept: Vec<Kept> = kept
            .query_map([id], |row| {
                let register = row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned);
                Ok(Kept {
                    time_ms: row.get(0)?,
                    power_mw: row.get(1)?,
                    register,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let closed: Vec<Closed> = closed
            .query_map([id], |row| {
                Ok(Closed {
                    start_ms: row.get(0)?,
                    revision: row.get(1)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let until_ms = row.get::<_, Option<i64>>(2)?.unwrap_or(i64::MIN);
        if !kept.is_empty() {
            houses.push(House::restore(name, kept, closed, until_ms));
        }
    }
    houses.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(houses)
}

pub(crate) fn read_rows(connection: &Connection, query: &RowsQuery) -> rusqlite::Result<Rows<Tuple>> {
    let mut statement = connection.prepare_cached(
        "SELECT h.name, h.postal_code IS NULL, o.start_ms, o.gap_until_ms, o.sum_mw, o.n, o.min_mw, o.max_mw,
                o.first_register, o.last_register, o.revision
         FROM outbox o JOIN households h ON h.id = o.household
         WHERE o.seq >= ?1 ORDER BY o.seq LIMIT ?2",
    )?;
    let mut asks = Vec::new();
    let mut bodies = Vec::with_capacity(usize::try_from(query.count).unwrap_or(0));
    let mut rows = statement.query(params![query.first.0.cast_signed(), query.count])?;
    while let Some(row) = rows.next()? {
        let Some(household) = row.get_ref(0)?.as_str().ok().and_then(Household::new) else {
            continue;
        };
        if row.get(1)? {
            asks.push(household);
        }
        bodies.push(Tuple {
            household,
            start_ms: row.get(2)?,
            span: read_span(row, 3)?,
        });
    }
    asks.sort_unstable();
    asks.dedup();
    Ok(Rows {
        first: query.first,
        bodies,
        asks,
    })
}

/// Reads a span from eight columns, the first of which is the end of a gap.
pub(crate) fn read_span(row: &Row<'_>, first: usize) -> rusqlite::Result<Span> {
    if let Some(until_ms) = row.get(first)? {
        return Ok(Span::Gap { until_ms });
    }
    let register = |column| {
        row.get::<_, Option<i64>>(column)
            .map(|register| register.map(i64::cast_unsigned))
    };
    Ok(Span::Window {
        sum_mw: row.get(first + 1)?,
        n: row.get(first + 2)?,
        min_mw: row.get(first + 3)?,
        max_mw: row.get(first + 4)?,
        first_register: register(first + 5)?,
        last_register: register(first + 6)?,
        revision: row.get(first + 7)?,
    })
}
