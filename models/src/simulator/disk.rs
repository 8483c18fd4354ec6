//! A machine's disk: core's image of the store, and a queue that is worked off in order.
//!
//! As with the driver's store thread, commits that have gathered while the disk was busy are made durable together.

use std::collections::VecDeque;

use pehra_core::protocol::{Image, Protocol};

use super::random::Random;
use super::time::{Span, Time};

/// Commits made durable together at the most.
const FUSED_MAX: usize = 1024;

/// How long the disk takes for one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Latency {
    /// Mostly.
    pub usual: Span,
    /// Now and then.
    pub rare: Span,
    /// So many of a thousand writes take the rare time.
    pub rare_permille: u16,
}

impl Latency {
    /// A solid state disk: 0.2 to 1 ms, one write in a hundred up to 5.
    pub const QUICK: Self = Self {
        usual: Span::us(200, 1_000),
        rare: Span::us(1_000, 5_000),
        rare_permille: 10,
    };
    /// A loaded or a spinning one: 2 to 25 ms.
    pub const SLOW: Self = Self::of(Span::ms(2, 25));

    /// Always within one span.
    #[must_use]
    pub const fn of(usual: Span) -> Self {
        Self {
            usual,
            rare: usual,
            rare_permille: 0,
        }
    }

    fn draw(&self, chance: &mut Random) -> Time {
        let rare = chance.chance(self.rare_permille);
        chance.within(if rare { self.rare } else { self.usual })
    }
}

/// What the disk is asked.
#[derive(Clone, Debug)]
pub enum Job<P: Protocol> {
    /// Make these durable.
    Commit(Vec<P::Record>),
    /// Look this up.
    Fetch(P::Query),
}

/// What the disk, or the store upon it, says.
#[derive(Clone, Debug)]
pub enum Done<P: Protocol> {
    /// So many commits are durable.
    Persisted(usize),
    /// A query's answer.
    Fetched(P::Query, P::Rows),
    /// Space is short, or no longer is.
    Stalled(bool),
}

/// A disk.
#[derive(Clone, Debug)]
pub struct Disk<P: Protocol, I> {
    /// What is durable.
    pub image: I,
    /// How long a write takes.
    pub latency: Latency,
    /// Whether it stands still: what is under way does not end.
    pub stalled: bool,
    jobs: VecDeque<Job<P>>,
    /// Jobs under way, at the front of the queue.
    busy: usize,
    /// The write under way would have ended if the disk did not stand still.
    overdue: bool,
    chance: Random,
}

impl<P: Protocol, I: Image<P>> Disk<P, I> {
    /// An empty one.
    #[must_use]
    pub fn new(latency: Latency, chance: Random) -> Self {
        Self {
            image: I::default(),
            latency,
            stalled: false,
            jobs: VecDeque::new(),
            busy: 0,
            overdue: false,
            chance,
        }
    }

    /// Hands something over.
    pub fn ask(&mut self, job: Job<P>) {
        self.jobs.push_back(job);
    }

    /// Commits that are handed over and not durable.
    #[must_use]
    pub fn commits_under_way(&self) -> usize {
        self.jobs.iter().filter(|job| matches!(job, Job::Commit(_))).count()
    }

    /// Begins with what is next, if it is idle: how long that takes.
    pub fn begin(&mut self) -> Option<Time> {
        if self.busy > 0 || self.jobs.is_empty() {
            return None;
        }
        let commits = self.jobs.iter().take_while(|job| matches!(job, Job::Commit(_)));
        self.busy = commits.take(FUSED_MAX).count().max(1);
        Some(self.latency.draw(&mut self.chance))
    }

    /// What was under way has had its time. `None` if the disk stands still.
    pub fn end(&mut self) -> Option<Done<P>> {
        if self.stalled {
            self.overdue = true;
            return None;
        }
        self.overdue = false;
        let busy = std::mem::take(&mut self.busy);
        let mut done = None;
        for job in self.jobs.drain(..busy) {
            match job {
                Job::Commit(records) => {
                    records.iter().for_each(|record| self.image.apply(record));
                    done = Some(Done::Persisted(busy));
                }
                Job::Fetch(query) => {
                    let rows = self.image.answer(&query);
                    done = Some(Done::Fetched(query, rows));
                }
            }
        }
        done
    }

    /// It moves again: what should have ended meanwhile, ends.
    pub fn move_again(&mut self) -> Option<Done<P>> {
        self.stalled = false;
        if self.overdue { self.end() } else { None }
    }

    /// The process dies: the first `kept` of the commits under way become durable, the others never do.
    pub fn lose(&mut self, kept: usize) {
        let mut left = kept;
        for job in self.jobs.drain(..) {
            if let Job::Commit(records) = job
                && left > 0
            {
                records.iter().for_each(|record| self.image.apply(record));
                left -= 1;
            }
        }
        (self.busy, self.overdue) = (0, false);
    }
}
