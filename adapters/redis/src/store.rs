//! One edge's part of the store.

use std::collections::{BTreeMap, HashMap};

use pehra_core::delivery::{Body, CodesQuery, Receiver, ReceiverDurable, ReceiverRecord, Retired, Seq};
use pehra_core::protocol::Recovered;
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Code, Span, Total, Tuple};
use pehra_driver::{Store, StoreError};
use redis::{Commands, Connection, Pipeline, RedisError, Value};

use crate::keys::{CODES, EDGES, MARKER, edge_key, skipped_key, totals_key, windows_key};
use crate::log;
use crate::server::{Durability, ask, connect, explain, require_durability, without_password};
use crate::span;

/// Told of a household's total whenever it changes, and of all of them when the store is loaded.
type Tell = Box<dyn FnMut(&Household, Code, &Total) + Send>;

/// The cloud's store for one edge. Each edge has its own connection.
pub struct RedisStore {
    connection: Connection,
    url: String,
    edge: EdgeName,
    /// The marker that this process has seen, if any: kept by the owner across reopening.
    marker: Option<String>,
    /// As of the last commit handed in: a store whose commit failed is never used again.
    marks: ReceiverDurable,
    totals: HashMap<Household, (Code, Total)>,
    tell: Tell,
}

impl RedisStore {
    /// Connects, and looks at the server's durability. `marker` is what [`RedisStore::marker`] said before, if this
    /// process or an earlier one has used the server: then a missing marker means that Redis was emptied.
    ///
    /// # Errors
    /// If the server does not answer, or is not durable enough.
    pub fn open(
        url: &str,
        edge: EdgeName,
        durability: Durability,
        marker: Option<String>,
        tell: Tell,
    ) -> Result<Self, StoreError> {
        let mut connection = connect(url)?;
        let url = without_password(url);
        require_durability(&mut connection, &url, durability)?;
        log::settle(&mut connection, &url)?;
        Ok(Self {
            connection,
            url,
            edge,
            marker,
            marks: ReceiverDurable::default(),
            totals: HashMap::new(),
            tell,
        })
    }

    /// The server's marker, once loaded.
    #[must_use]
    pub fn marker(&self) -> Option<&str> {
        self.marker.as_deref()
    }

    fn error(&self, doing: &str) -> impl FnOnce(RedisError) -> StoreError + use<> {
        let doing = format!("{doing} (Redis at {})", self.url);
        move |error| StoreError::new(doing, explain(&error))
    }

    fn edge_key(&self) -> String {
        edge_key(self.edge.as_str())
    }

    fn totals_key(&self) -> String {
        totals_key(self.edge.as_str())
    }

    fn windows_key(&self, household: &Household) -> String {
        windows_key(self.edge.as_str(), household.as_str())
    }

    /// Reads or makes the marker. `true` if Redis was emptied since it was last seen.
    fn settle_marker(&mut self) -> Result<bool, RedisError> {
        let known = self.marker.take();
        let found: Option<String> = self.connection.get(MARKER)?;
        let found = match found {
            Some(found) => found,
            None => {
                // Edges may race to make it: the first one counts.
                let fresh = format!("{:016x}", fresh_number());
                let _: bool = self.connection.set_nx(MARKER, fresh)?;
                self.connection.get(MARKER)?
            }
        };
        let emptied = known.is_some_and(|known| known != found);
        self.marker = Some(found);
        Ok(emptied)
    }

    fn read(&mut self) -> Result<Recovered<ReceiverDurable>, RedisError> {
        let emptied = self.settle_marker()?;
        let (edge, totals) = (self.edge_key(), self.totals_key());
        let fields: HashMap<String, String> = self.connection.hgetall(edge)?;
        let sums: HashMap<String, String> = self.connection.hgetall(totals)?;
        let codes: HashMap<String, String> = self.connection.hgetall(CODES)?;
        self.totals.clear();
        for (name, text) in sums {
            let code = codes.get(&name).and_then(|code| parse_code(code));
            let (Some(household), Some(total), Some(code)) = (Household::new(&name), span::read_total(&text), code)
            else {
                continue;
            };
            (self.tell)(&household, code, &total);
            self.totals.insert(household, (code, total));
        }
        let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
        let mut retired = Retired::default();
        let list = fields.get("retired").map(String::as_str).unwrap_or_default();
        for epoch in list.split_terminator(',').filter_map(|text| text.parse().ok()) {
            retired.push(epoch);
        }
        Ok(match number("epoch") {
            Some(epoch) => {
                let high = Seq(number("high").unwrap_or(0));
                self.marks = ReceiverDurable {
                    epoch: Some(epoch),
                    high,
                    retired,
                };
                Recovered::Known(self.marks)
            }
            None if emptied => Recovered::Lost,
            None => Recovered::Fresh,
        })
    }

    /// Reads what the windows to be replaced hold now, and codes that are not known here yet.
    fn look_before(
        &mut self,
        records: &[ReceiverRecord<Tuple>],
    ) -> Result<BTreeMap<(Household, i64), Span>, RedisError> {
        let mut question = redis::pipe();
        let mut asked = Vec::new();
        let mut newcomers = Vec::new();
        // Within one epoch a first revision comes once and has nothing before it. An edge whose database was made anew
        // reads its source again, and then every window may be here already.
        let adopts = |record: &ReceiverRecord<Tuple>| matches!(record, ReceiverRecord::Adopted(_));
        let first_epoch = match self.marks.epoch {
            None => self.totals.is_empty() && records.iter().filter(|record| adopts(record)).count() < 2,
            Some(_) => self.marks.retired.iter().next().is_none() && !records.iter().any(adopts),
        };
        for tuple in tuples(records) {
            if !(first_epoch && matches!(tuple.span, Span::Window { revision: 0, .. })) {
                question.hget(self.windows_key(&tuple.household), tuple.start_ms);
                asked.push((tuple.household, tuple.start_ms));
            }
            if !self.totals.contains_key(&tuple.household) && !newcomers.contains(&tuple.household) {
                newcomers.push(tuple.household);
            }
        }
        let mut before = BTreeMap::new();
        if !asked.is_empty() {
            for (key, found) in asked.into_iter().zip(ask(&mut self.connection, &question)?) {
                let text: Option<String> = redis::from_redis_value(found)?;
                if let Some(span) = text.as_deref().and_then(span::read) {
                    before.insert(key, span);
                }
            }
        }
        if !newcomers.is_empty() {
            // Written at once, before the rows: a code that nobody was told yet may stand there unused.
            let mut question = redis::pipe();
            for household in &newcomers {
                question.hset_nx(CODES, household.as_str(), Tuple::first_code(household).as_str());
            }
            for household in &newcomers {
                question.hget(CODES, household.as_str());
            }
            let codes = ask(&mut self.connection, &question)?.split_off(newcomers.len());
            for (household, code) in newcomers.into_iter().zip(codes) {
                let code: String = redis::from_redis_value(code)?;
                let code = parse_code(&code).unwrap_or_else(|| Tuple::first_code(&household));
                self.totals.insert(household, (code, Total::default()));
            }
        }
        Ok(before)
    }

    fn write(&mut self, records: &[ReceiverRecord<Tuple>]) -> Result<(), StoreError> {
        let doing = self.error("committing");
        let mut attempt = || -> Result<bool, RedisError> {
            let mut watch = redis::pipe();
            watch.cmd("WATCH").arg(MARKER).cmd("GET").arg(MARKER);
            let marker = ask(&mut self.connection, &watch)?.pop().unwrap_or(Value::Nil);
            if redis::from_redis_value::<Option<String>>(marker)? != self.marker {
                return Ok(false);
            }
            let mut before = self.look_before(records)?;
            let mut changes = redis::pipe();
            changes.atomic();
            let edge = self.edge_key();
            for record in records {
                match record {
                    ReceiverRecord::Adopted(epoch) => self.adopt(*epoch, &edge, &mut changes),
                    ReceiverRecord::Skipped { from, to } => {
                        changes.hset(&edge, "high", to.0).ignore();
                        changes.hincr(&edge, "rows_applied", to.since(from.previous())).ignore();
                        changes
                            .rpush(skipped_key(self.edge.as_str()), format!("{}-{}", from.0, to.0))
                            .ignore();
                    }
                    ReceiverRecord::Applied { bodies, high, .. } => {
                        self.put(bodies, &mut before, &mut changes);
                        changes.hset(&edge, "high", high.0).ignore();
                        changes.hincr(&edge, "rows_applied", bodies.len()).ignore();
                    }
                }
            }
            // Nil when the watched marker went away in between.
            Ok(ask(&mut self.connection, &changes)?.pop().unwrap_or(Value::Nil) != Value::Nil)
        };
        match attempt() {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::new(
                format!("committing (Redis at {})", self.url),
                "Redis was emptied or replaced while in use; edges will be asked to send again what it lost",
            )),
            Err(error) => Err(doing(error)),
        }
    }

    fn adopt(&mut self, epoch: u64, edge: &str, changes: &mut Pipeline) {
        if let Some(old) = self.marks.epoch.replace(epoch) {
            self.marks.retired.push(old);
            let list: String = self.marks.retired.iter().map(|epoch| format!("{epoch},")).collect();
            changes.hset(edge, "retired", list).ignore();
        }
        changes
            .hset(edge, "epoch", epoch)
            .hset(edge, "high", 0)
            .hset(edge, "rows_applied", 0)
            .ignore();
        changes.sadd(EDGES, self.edge.as_str()).ignore();
    }

    fn put(&mut self, bodies: &[Tuple], before: &mut BTreeMap<(Household, i64), Span>, changes: &mut Pipeline) {
        let totals_key = self.totals_key();
        let mut windows: BTreeMap<Household, Vec<(i64, String)>> = BTreeMap::new();
        for tuple in bodies {
            let key = (tuple.household, tuple.start_ms);
            let old = before.get(&key);
            if old.is_some_and(|old| !tuple.span.replaces(old)) {
                continue;
            }
            if let Some((_, total)) = self.totals.get_mut(&tuple.household) {
                total.count(old, &tuple.span);
            }
            before.insert(key, tuple.span);
            windows
                .entry(tuple.household)
                .or_default()
                .push((tuple.start_ms, span::write(&tuple.span)));
        }
        for (household, fields) in &windows {
            changes.hset_multiple(self.windows_key(household), fields).ignore();
            if let Some((_, total)) = self.totals.get(household) {
                changes
                    .hset(&totals_key, household.as_str(), span::write_total(total))
                    .ignore();
            }
        }
    }
}

impl Store<Receiver<Tuple>> for RedisStore {
    fn load(&mut self) -> Result<Recovered<ReceiverDurable>, StoreError> {
        let error = self.error("reading");
        self.read().map_err(error)
    }

    fn commit(&mut self, records: &[ReceiverRecord<Tuple>]) -> Result<(), StoreError> {
        self.write(records)?;
        for tuple in tuples(records) {
            if let Some((code, total)) = self.totals.get(&tuple.household) {
                (self.tell)(&tuple.household, *code, total);
            }
        }
        Ok(())
    }

    fn answer(&mut self, query: &CodesQuery<Tuple>) -> Result<Vec<(Household, Code)>, StoreError> {
        let code = |household: &Household| self.totals.get(household).map(|(code, _)| (*household, *code));
        Ok(query.households.iter().filter_map(code).collect())
    }
}

fn tuples(records: &[ReceiverRecord<Tuple>]) -> impl Iterator<Item = &Tuple> {
    records.iter().flat_map(|record| match record {
        ReceiverRecord::Applied { bodies, .. } => bodies.as_slice(),
        ReceiverRecord::Adopted(_) | ReceiverRecord::Skipped { .. } => &[],
    })
}

/// A number that no other process draws: time and address-space layout are enough for a marker that only has to differ.
fn fresh_number() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}

fn parse_code(text: &str) -> Option<Code> {
    text.as_bytes().try_into().ok().map(Code)
}

/// The names of all edges that ever delivered.
///
/// # Errors
/// If Redis does not answer.
pub fn names_of_edges(url: &str) -> Result<Vec<String>, StoreError> {
    let mut names: Vec<String> = connect(url)?.smembers(EDGES).map_err(|error| {
        StoreError::new(
            format!("listing edges (Redis at {})", without_password(url)),
            explain(&error),
        )
    })?;
    names.sort();
    Ok(names)
}

/// All windows and gaps that the cloud holds of an edge, the number of rows it applied, and its mark.
///
/// # Errors
/// If Redis does not answer.
#[allow(clippy::type_complexity)]
pub fn read_windows(url: &str, edge: &str) -> Result<(Vec<(String, i64, Span)>, u64, u64), StoreError> {
    let mut connection = connect(url)?;
    let mut read = || -> Result<_, RedisError> {
        let fields: HashMap<String, String> = connection.hgetall(edge_key(edge))?;
        let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let households: Vec<String> = connection.hkeys(totals_key(edge))?;
        let mut windows = Vec::new();
        for household in households {
            let held: HashMap<i64, String> = connection.hgetall(windows_key(edge, &household))?;
            let spans = held
                .into_iter()
                .filter_map(|(start, text)| span::read(&text).map(|span| (start, span)));
            windows.extend(spans.map(|(start, span)| (household.clone(), start, span)));
        }
        Ok((windows, number("rows_applied"), number("high")))
    };
    read().map_err(|error| {
        let doing = format!("reading the cloud's windows (Redis at {})", without_password(url));
        StoreError::new(doing, explain(&error))
    })
}
