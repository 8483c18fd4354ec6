//! The store's own thread: fuses commits, answers queries in order.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use pehra_core::protocol::{Protocol, Recovered};
use tokio::sync::mpsc::UnboundedSender;

use crate::ports::{Store, StoreError};
use crate::stops::{self, Stop};

/// Commits fused into one at the most. Enough that a slow disk is kept busy, few enough that none waits long.
const FUSED_MAX: usize = 1024;

/// How often a store is asked about its space while nothing is written.
const SPACE_EVERY: Duration = Duration::from_millis(500);

/// What the thread is asked.
enum Job<P: Protocol> {
    Commit(Vec<P::Record>),
    Fetch(P::Query),
}

/// What the thread says.
pub(crate) enum Done<P: Protocol> {
    /// So many commits are durable.
    Persisted(usize),
    /// A query's answer.
    Fetched(P::Query, P::Rows),
    /// Space became short, or no longer is.
    Stalled(bool),
    /// The store failed. Nothing follows.
    Failed(StoreError),
}

/// A running store.
pub(crate) struct StoreThread<P: Protocol> {
    jobs: Option<Sender<Job<P>>>,
    thread: Option<JoinHandle<()>>,
}

impl<P> StoreThread<P>
where
    P: Protocol + 'static,
    P::Record: Send + 'static,
    P::Query: Send + 'static,
    P::Rows: Send + 'static,
{
    pub(crate) fn start<S: Store<P> + 'static>(store: S, done: UnboundedSender<Done<P>>) -> Self {
        let (jobs, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                if let Err(error) = serve(store, &inbox, &done) {
                    // If the loop is gone, it has no use for the news.
                    let _ = done.send(Done::Failed(error));
                }
            })
            .ok();
        Self {
            jobs: Some(jobs),
            thread,
        }
    }

    /// Hands over a commit. A failure shows as [`Done::Failed`].
    pub(crate) fn commit(&self, records: Vec<P::Record>) {
        self.send(Job::Commit(records));
    }

    /// Hands over a query.
    pub(crate) fn fetch(&self, query: P::Query) {
        self.send(Job::Fetch(query));
    }

    fn send(&self, job: Job<P>) {
        if let Some(jobs) = &self.jobs {
            // A thread that has failed has said so, or will.
            let _ = jobs.send(job);
        }
    }
}

impl<P: Protocol> Drop for StoreThread<P> {
    /// Lets the thread finish what it was handed, and waits for it: two stores on one file would be one too many.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Loads a store before its thread starts.
pub(crate) fn load<P: Protocol>(store: &mut impl Store<P>) -> Result<Recovered<P::Durable>, StoreError> {
    store.load()
}

fn serve<P: Protocol>(
    mut store: impl Store<P>,
    inbox: &Receiver<Job<P>>,
    done: &UnboundedSender<Done<P>>,
) -> Result<(), StoreError> {
    let mut short = false;
    let mut records = Vec::new();
    let mut next = None;
    loop {
        let job = match next.take() {
            Some(job) => job,
            None => match inbox.recv_timeout(SPACE_EVERY) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    tell_space(&mut store, &mut short, done);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            },
        };
        match job {
            Job::Fetch(query) => {
                let rows = store.answer(&query)?;
                let _ = done.send(Done::Fetched(query, rows));
            }
            Job::Commit(first) => {
                records.clear();
                records.extend(first);
                let mut fused = 1;
                while fused < FUSED_MAX {
                    match inbox.try_recv() {
                        Ok(Job::Commit(more)) => {
                            records.extend(more);
                            fused += 1;
                        }
                        Ok(fetch @ Job::Fetch(_)) => {
                            next = Some(fetch);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                stops::pass(Stop::BeforePersist);
                store.commit(&records)?;
                stops::pass(Stop::BetweenPersistAndSend);
                let _ = done.send(Done::Persisted(fused));
                tell_space(&mut store, &mut short, done);
            }
        }
    }
}

fn tell_space<P: Protocol>(store: &mut impl Store<P>, short: &mut bool, done: &UnboundedSender<Done<P>>) {
    let now = store.is_short();
    if now != *short {
        *short = now;
        let _ = done.send(Done::Stalled(now));
    }
}
