//! Redis' log after a crash.
//!
//! A Redis that dies while it writes a transaction leaves half of it at the end of its append-only file. When it starts
//! again, Redis 7.0 forgets that half in memory, but cuts the file only behind the last whole *command*: `MULTI` and some
//! commands stay, without their `EXEC`. What is written next is appended to them; at the start after that they are
//! carried out together with it, and an increment in them counts twice. Seen with 7.0.15: our test of kills found counts
//! beyond the mark after a second kill, by less than one commit, while marks and windows were right. That this is the way
//! it comes about is our inference from those figures; that rewriting the log ends it was measured.
//!
//! So before anything is written to a server that was started anew, its log is rewritten from what it holds in memory,
//! which is right. A server that dies before that is done has had nothing appended, and the next start finds the same end
//! again.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pehra_driver::StoreError;
use redis::{Connection, RedisError};

use crate::keys::RUN;
use crate::server::explain;

/// How long the rewriting may take. After that the store counts as failed, and is tried again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes sure that the server's log ends with a whole transaction before anything is appended to it.
pub(crate) fn settle(connection: &mut Connection, url: &str) -> Result<(), StoreError> {
    let doing = format!("rewriting the log of a Redis that was started anew ({url})");
    let failed = |error: RedisError| StoreError::new(&doing, explain(&error));
    let run = info(connection, "server")
        .map_err(failed)?
        .remove("run_id")
        .unwrap_or_default();
    let known: Option<String> = redis::cmd("GET").arg(RUN).query(connection).map_err(failed)?;
    let persistence = info(connection, "persistence").map_err(failed)?;
    if known.as_deref() == Some(&run) || persistence.get("aof_enabled").is_none_or(|enabled| enabled != "1") {
        return Ok(());
    }
    // Refused while one is under way already: another edge's store has asked for it.
    let asked: Result<String, RedisError> = redis::cmd("BGREWRITEAOF").query(connection);
    if let Err(error) = asked
        && !error.to_string().contains("in progress")
    {
        return Err(failed(error));
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let now = info(connection, "persistence").map_err(failed)?;
        let is = |name: &str, value: &str| now.get(name).is_some_and(|found| found == value);
        if is("aof_rewrite_in_progress", "0") && is("aof_rewrite_scheduled", "0") {
            if !is("aof_last_bgrewrite_status", "ok") {
                return Err(StoreError::new(
                    &doing,
                    "it failed: see the server's log, and whether its disk is full",
                ));
            }
            break;
        }
        if Instant::now() > until {
            let problem = format!("it is not done after {} s; it is waited for again", PATIENCE.as_secs());
            return Err(StoreError::new(&doing, problem));
        }
        sleep(Duration::from_millis(10));
    }
    redis::cmd("SET").arg(RUN).arg(run).exec(connection).map_err(failed)
}

/// One section of the server's account of itself.
fn info(connection: &mut Connection, section: &str) -> Result<HashMap<String, String>, RedisError> {
    let text: String = redis::cmd("INFO").arg(section).query(connection)?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    Ok(fields
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect())
}
