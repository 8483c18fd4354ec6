//! The loop.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::time::Duration;

use pehra_core::node::{Desk, GateBound, Node, Output, Taken};
use pehra_core::protocol::{Draw, Drawn, Input, Protocol};
use pehra_core::types::{Broken, Delay, NodeId, RequestId, Ticks};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::sync::{mpsc, watch};

use crate::clock::BootClock;
use crate::ports::{Shell, Store, StoreError};
use crate::recorder::Digest;
use crate::store_thread::{Done, StoreThread, load};

/// The loop looks at the clock so often at least. What sleeps does so by a clock that stands still while the machine is
/// suspended, so this also bounds how late the end of a suspension is noticed when nothing comes in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the world puts into a node's mailbox.
#[derive(Debug)]
pub enum Mail<P: Protocol> {
    /// A peer said something; the transport knows who.
    Message {
        /// Who.
        from: NodeId,
        /// What.
        message: P::Heard,
    },
    /// The local shell asks for something.
    Command(RequestId, P::Command),
    /// A peer came or went.
    Link {
        /// Who.
        peer: NodeId,
        /// Whether it came.
        up: bool,
    },
}

/// A node's mailbox. It is bounded: a sender that awaits room is slowed to what the node can take.
pub type Mailbox<P> = mpsc::Sender<Mail<P>>;

/// Makes a mailbox for [`run`].
#[must_use]
pub fn mailbox<P: Protocol>(capacity: usize) -> (Mailbox<P>, mpsc::Receiver<Mail<P>>) {
    mpsc::channel(capacity)
}

/// How a node is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's name in logs.
    pub name: String,
    /// Seed of the timers' jitter; logged, so that a run can be told again.
    pub jitter_seed: u64,
    /// How much may wait behind the gate.
    pub gate: GateBound,
    /// A standstill longer than this is a pause: the protocol is told before any timer.
    pub pause: Duration,
    /// The longest wait between two attempts to open a store that fails.
    pub reopen_max: Duration,
    /// What timers run on.
    pub clock: BootClock,
}

impl Options {
    /// The defaults of a deployed node.
    #[must_use]
    pub fn deployed(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            jitter_seed: rand::rng().next_u64(),
            gate: GateBound::DEPLOYED,
            pause: Duration::from_secs(3),
            reopen_max: Duration::from_secs(10),
            clock: BootClock::default(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to stop, and all that was handed to the store is durable.
    Stopped,
    /// An invariant was broken: it stays down until a person has looked.
    Fault(Broken),
}

/// Runs a node until `stop` becomes true. `open` opens the store, again after each storage error.
pub async fn run<P, S, H>(
    config: &P::Config,
    options: Options,
    mut open: impl FnMut() -> Result<S, StoreError>,
    shell: &mut H,
    mut mail: mpsc::Receiver<Mail<P>>,
    mut stop: watch::Receiver<bool>,
) -> End
where
    P: Protocol + 'static,
    P::Record: Send + 'static,
    P::Query: Send + 'static,
    P::Rows: Send + 'static,
    S: Store<P> + 'static,
    H: Shell<P>,
{
    tracing::info!(node = options.name, jitter_seed = options.jitter_seed, "node starts");
    let mut jitter = StdRng::seed_from_u64(options.jitter_seed);
    let mut failures = 0_u32;
    let mut kept = None;
    loop {
        if *stop.borrow() {
            return End::Stopped;
        }
        let error = match Life::start(config, &options, &mut open, shell, &mut jitter, &mut kept) {
            Ok(mut life) => {
                let started = options.clock.now();
                let outcome = life.live(shell, &mut mail, &mut stop).await;
                if options.clock.now().saturating_sub(started) > options.reopen_max {
                    failures = 0;
                }
                // Waits for the store's thread, which may be in the middle of a commit.
                blocking(|| drop(life));
                match outcome {
                    Outcome::Stopped => return End::Stopped,
                    Outcome::Fault(broken) => return End::Fault(broken),
                    Outcome::StoreFailed(error) => error,
                }
            }
            Err(error) => error,
        };
        shell.store_failed(&error);
        let wait = Duration::from_millis(50)
            .saturating_mul(1 << failures.min(10))
            .min(options.reopen_max);
        failures += 1;
        tracing::error!(node = options.name, %error, retry_in_ms = wait.as_millis(), "store failed; opening it again");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = asked_to_stop(&mut stop) => {}
        }
    }
}

/// Waits for a change of the wish. One that nobody can change any more is waited for without end: it is no news, and
/// looking at it again and again would keep a core busy.
async fn asked_to_stop(stop: &mut watch::Receiver<bool>) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs what may block for seconds (a store that does not answer) without holding up the other nodes of this process.
fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

enum Outcome {
    Stopped,
    Fault(Broken),
    StoreFailed(StoreError),
}

/// One life of a node, from recovery to the end of its store or its own.
struct Life<'a, P: Protocol> {
    config: &'a P::Config,
    options: &'a Options,
    jitter: &'a mut StdRng,
    node: Node<P>,
    desk: Desk<P>,
    store: StoreThread<P>,
    done: mpsc::UnboundedReceiver<Done<P>>,
    records: Vec<P::Record>,
    timers: BTreeMap<P::Timer, Duration>,
    draws: Vec<Draw>,
    /// A letter that came when there was room for it, and then there was none. It outlives this life, as those that are
    /// still in the mailbox do.
    kept: &'a mut Option<Mail<P>>,
    awake: Duration,
    fault: Option<Broken>,
}

impl<'a, P> Life<'a, P>
where
    P: Protocol + 'static,
    P::Record: Send + 'static,
    P::Query: Send + 'static,
    P::Rows: Send + 'static,
{
    fn start<S: Store<P> + 'static>(
        config: &'a P::Config,
        options: &'a Options,
        open: &mut impl FnMut() -> Result<S, StoreError>,
        shell: &mut impl Shell<P>,
        jitter: &'a mut StdRng,
        kept: &'a mut Option<Mail<P>>,
    ) -> Result<Self, StoreError> {
        let (store, recovered) = blocking(|| -> Result<_, StoreError> {
            let mut store = open()?;
            let recovered = load(&mut store)?;
            Ok((store, recovered))
        })?;
        shell.record_recovered(config, options.gate, &recovered);
        let mut desk = Desk::default();
        let node = Node::recover(config, options.gate, recovered, &mut desk);
        let (tell, done) = mpsc::unbounded_channel();
        let mut life = Self {
            config,
            options,
            jitter,
            node,
            desk,
            store: StoreThread::start(store, tell),
            done,
            records: Vec::new(),
            timers: BTreeMap::new(),
            draws: Vec::new(),
            kept,
            awake: options.clock.now(),
            fault: None,
        };
        shell.started(life.node.state());
        life.perform(shell);
        Ok(life)
    }

    async fn live(
        &mut self,
        shell: &mut impl Shell<P>,
        mail: &mut mpsc::Receiver<Mail<P>>,
        stop: &mut watch::Receiver<bool>,
    ) -> Outcome {
        let mut closed = false;
        loop {
            if let Some(broken) = self.fault {
                shell.fault(broken);
                return Outcome::Fault(broken);
            }
            let stopping = *stop.borrow();
            if stopping && self.node.open_commits() == 0 {
                return Outcome::Stopped;
            }
            self.fire_due(shell);
            let next = self.timers.values().min().copied();
            let now = self.options.clock.now();
            let sleep = next.map_or(LOOK_EVERY, |at| at.saturating_sub(now).min(LOOK_EVERY));
            let takes_mail = !stopping && !closed && !self.node.is_full();
            if takes_mail && let Some(letter) = self.kept.take() {
                self.on_mail(letter, mail, shell);
                shell.look(self.node.state());
                continue;
            }
            tokio::select! {
                biased;
                done = self.done.recv() => match done {
                    Some(Done::Failed(error)) => return Outcome::StoreFailed(error),
                    Some(done) => self.on_done(done, shell),
                    None => return Outcome::StoreFailed(StoreError::new("store thread", "ended without a word")),
                },
                letter = mail.recv(), if takes_mail => match letter {
                    Some(letter) => self.on_mail(letter, mail, shell),
                    None => closed = true,
                },
                () = tokio::time::sleep(sleep) => {}
                () = asked_to_stop(stop), if !stopping => {}
            }
            shell.look(self.node.state());
        }
    }

    fn on_done(&mut self, done: Done<P>, shell: &mut impl Shell<P>) {
        // The process may have stood still while it waited: that comes first, and what was due then.
        self.fire_due(shell);
        match done {
            Done::Persisted(commits) => {
                for _ in 0..commits {
                    shell.record_persisted();
                    self.node.persisted(self.config, &mut self.desk);
                    self.perform(shell);
                }
            }
            Done::Fetched(query, rows) => self.feed(Input::Fetched { query, rows }, shell),
            Done::Stalled(short) => {
                tracing::warn!(node = self.options.name, short, "space in the store");
                self.feed(Input::Stalled(short), shell);
            }
            Done::Failed(_) => {}
        }
    }

    /// Takes a letter, and a few more while they are there: a round through the scheduler for each would cost more than
    /// the step.
    fn on_mail(&mut self, first: Mail<P>, mail: &mut mpsc::Receiver<Mail<P>>, shell: &mut impl Shell<P>) {
        let mut letter = first;
        for left in (0..64).rev() {
            // Before each of them: the process may have stood still since the last, and a question that came in meanwhile
            // must not be answered from a lease that has run out.
            self.fire_due(shell);
            if self.node.is_full() {
                // What the timers did has filled the gate: a command must not be lost by it.
                *self.kept = Some(letter);
                return;
            }
            let input = match letter {
                Mail::Message { from, message } => Input::Received { from, message },
                Mail::Command(request, command) => Input::Commanded(request, command),
                Mail::Link { peer, up } => Input::Link { peer, up },
            };
            self.feed(input, shell);
            if left == 0 || self.node.is_full() {
                return;
            }
            letter = match mail.try_recv() {
                Ok(letter) => letter,
                Err(_) => return,
            };
        }
    }

    /// After a standstill tells the protocol first, then fires what is due, oldest first.
    fn fire_due(&mut self, shell: &mut impl Shell<P>) {
        let now = self.options.clock.now();
        let look = self.awake + LOOK_EVERY;
        let next = self.timers.values().min().copied().unwrap_or(look);
        let expected = next.clamp(self.awake, look);
        if now.saturating_sub(expected) > self.options.pause {
            tracing::warn!(node = self.options.name, "the process stood still");
            self.feed(Input::Paused, shell);
        }
        self.awake = now;
        let mut due: Vec<(Duration, P::Timer)> = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(timer, at)| (*at, *timer))
            .collect();
        due.sort();
        for (at, timer) in due {
            // An earlier one may have disarmed or re-armed it.
            if self.timers.get(&timer) == Some(&at) {
                self.timers.remove(&timer);
                self.feed(Input::Fired(timer), shell);
            }
        }
    }

    fn feed(&mut self, input: Input<P>, shell: &mut impl Shell<P>) {
        shell.record_input(&input);
        if self.node.step(self.config, input, &mut self.desk) == Taken::No {
            tracing::debug!(node = self.options.name, "an input was not taken");
        }
        self.perform(shell);
    }

    fn perform(&mut self, shell: &mut impl Shell<P>) {
        let now = self.options.clock.now();
        let mut digest = shell.is_recording().then(Digest::default);
        for output in self.desk.outputs() {
            if let Some(digest) = &mut digest {
                output.hash(digest);
            }
            match output {
                Output::Notice { to, notice, .. } => shell.notice(to, notice),
                Output::Claim { to, claim, .. } => shell.claim(to, claim),
                Output::Record { record, .. } => self.records.push(record),
                Output::Commit { .. } => self.store.commit(std::mem::take(&mut self.records)),
                Output::Fetch { query, .. } => self.store.fetch(query),
                Output::Emit { event, .. } => shell.event(event),
                Output::Report { report, .. } => shell.report(report),
                Output::Arm { timer, after, .. } => {
                    self.timers.insert(timer, now + drawn(self.jitter, after));
                }
                Output::Disarm { timer, .. } => {
                    self.timers.remove(&timer);
                }
                Output::Draw { draw, .. } => self.draws.push(draw),
                Output::Fault { broken, .. } => self.fault = Some(broken),
            }
        }
        if let Some(digest) = digest {
            shell.record_outputs(digest.value());
        }
        while let Some(draw) = self.draws.pop() {
            match draw {
                // 64 bits from the operating system's generator: a repeat is less likely than a broken disk.
                Draw::Nonce => {
                    let nonce = rand::rng().next_u64().max(1);
                    self.feed(Input::Drawn(Drawn::Nonce(nonce)), shell);
                }
                Draw::Order { term } => {
                    let order = shell.order(term);
                    self.feed(Input::Drawn(Drawn::Order { term, order }), shell);
                }
            }
        }
    }
}

fn drawn(jitter: &mut StdRng, after: Delay) -> Duration {
    let Ticks(min) = after.min;
    let Ticks(max) = after.max;
    Duration::from_millis(u64::from(jitter.random_range(min..=max.max(min))))
}
