//! The server: reaching it, its settings, and its errors in words that say what to do.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pehra_driver::StoreError;
use redis::{Connection, Pipeline, RedisError, ServerErrorKind, Value};

/// How long one command may take; a Redis that stands still must not hold the cloud for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do with a Redis whose settings do not sync each write before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Do not start.
    Required,
    /// Warn and go on: a power cut can lose acknowledged data.
    Waived,
}

/// Connects; no command takes longer than [`PATIENCE`].
pub(crate) fn connect(url: &str) -> Result<Connection, StoreError> {
    let doing = format!("connecting to Redis at {}", without_password(url));
    let hint = |error: RedisError| {
        let problem = format!("{}: is it running, and is this its address?", explain(&error));
        StoreError::new(&doing, problem)
    };
    let client = redis::Client::open(url).map_err(hint)?;
    // Half, since the client's greeting has two replies and waits for each.
    let connection = client.get_connection_with_timeout(PATIENCE / 2).map_err(hint)?;
    connection.set_read_timeout(Some(PATIENCE)).map_err(hint)?;
    connection.set_write_timeout(Some(PATIENCE)).map_err(hint)?;
    Ok(connection)
}

/// Sends a pipeline and reads its replies; those of a transaction are `OK`, one `QUEUED` for each command, and the
/// outcome. Gives up at the first reply that does not come: the client's own reading would go on to wait for each of
/// the others, which for a large commit is hours.
pub(crate) fn ask(connection: &mut Connection, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
    connection.send_packed_command(&pipeline.get_packed_pipeline())?;
    let count = pipeline.len() + if pipeline.is_transaction() { 2 } else { 0 };
    let mut replies = Vec::with_capacity(count);
    let until = Instant::now() + PATIENCE;
    for _ in 0..count {
        if Instant::now() > until {
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
        }
        replies.push(connection.recv_response()?);
    }
    // Only after all were read: a refused command is followed by the replies to the others.
    replies.into_iter().map(Value::extract_error).collect()
}

/// The address as it may be shown: what stands before the @ is a secret.
pub(crate) fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}

/// The server's words, and what to do about them.
pub(crate) fn explain(error: &RedisError) -> String {
    if error.is_timeout() {
        return format!(
            "no answer for {} s: does it stand still, or is its disk too slow?",
            PATIENCE.as_secs()
        );
    }
    let text = error.to_string();
    let hint = if text.contains("OOM") {
        " (it is out of memory: raise its maxmemory; nothing was acknowledged)"
    } else if text.contains("MISCONF") {
        " (it cannot write to its disk: see its log; nothing was acknowledged)"
    } else if error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly) || text.contains("READONLY") {
        " (it is a replica: give the address of its primary)"
    } else {
        ""
    };
    text + hint
}

/// A first look, before anything is started: a server that answers and could lose what it acknowledges is refused. One
/// that does not answer yet may still come up; it is looked at again whenever a store is opened. Blocks.
///
/// # Errors
/// If the server's settings are too weak.
pub fn refuse_weak_settings(url: &str, durability: Durability) -> Result<(), StoreError> {
    let Ok(mut connection) = connect(url) else {
        return Ok(());
    };
    match weakness(&mut connection) {
        Ok(Some(_)) => require_durability(&mut connection, &without_password(url), durability),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Refuses a server that could lose what it has acknowledged, or warns.
pub(crate) fn require_durability(
    connection: &mut Connection,
    url: &str,
    durability: Durability,
) -> Result<(), StoreError> {
    let problem = match weakness(connection) {
        Ok(None) => return Ok(()),
        Ok(Some(weakness)) => weakness,
        Err(error) => format!("it does not tell its settings: {}", explain(&error)),
    };
    match durability {
        Durability::Required => {
            let problem = format!("{problem}, or allow it with --redis-not-durable");
            Err(StoreError::new(
                format!("checking the durability of Redis at {url}"),
                problem,
            ))
        }
        Durability::Waived => {
            tracing::warn!(url, problem, "NOT DURABLE");
            Ok(())
        }
    }
}

/// What is wrong with the server's settings, and what would be right.
fn weakness(connection: &mut Connection) -> Result<Option<String>, RedisError> {
    let mut setting = |name: &str| -> Result<String, RedisError> {
        let found: HashMap<String, String> = redis::cmd("CONFIG").arg("GET").arg(name).query(connection)?;
        Ok(found.get(name).cloned().unwrap_or_default())
    };
    let (log, sync) = (setting("appendonly")?, setting("appendfsync")?);
    if log != "yes" || sync != "always" {
        return Ok(Some(format!(
            "appendonly is {log:?} and appendfsync is {sync:?}: a crash of that machine would lose data that was \
             acknowledged. Start it with `--appendonly yes --appendfsync always`"
        )));
    }
    if setting("no-appendfsync-on-rewrite")? == "yes" {
        return Ok(Some(
            "no-appendfsync-on-rewrite is \"yes\": while it rewrites its log nothing is synced. \
             Start it with `--no-appendfsync-on-rewrite no`"
                .to_owned(),
        ));
    }
    let policy = setting("maxmemory-policy")?;
    if policy.starts_with("allkeys") {
        return Ok(Some(format!(
            "maxmemory-policy is {policy:?}: short of memory it would throw acknowledged data away. \
             Start it with `--maxmemory-policy noeviction`"
        )));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("redis://user:p@ss@host:1/"), "redis://…@host:1/");
        assert_eq!(without_password("redis://host:1/"), "redis://host:1/");
    }
}
