//! A small protocol that does what it is told, a store that a test holds in its hand, and a shell that writes down.
//!
//! What is tested is the contract between the driver and its ports: when a commit is reported is the test's to say, so
//! the store is a double here. Real stores are tested in their own crates.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pehra_core::node::GateBound;
use pehra_core::protocol::{Draw, Drawn, Effects, Input, Protocol, Recovered};
use pehra_core::types::{Broken, Delay, NodeId, RequestId, Ticks};
use pehra_driver::{BootClock, End, Mail, Mailbox, Options, Shell, Store, StoreError, mailbox, run};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub const PEER: NodeId = NodeId(9);

/// What the toy is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Do {
    /// Arm this timer, in so many ms.
    Arm(u8, u32),
    Disarm(u8),
    /// Persist a number and claim it; notice it at once.
    Save(u32),
    Draw,
    /// Ask the store how many numbers it has.
    Count,
    /// Report this number at once.
    Say(u32),
    Break,
}

/// What the toy reports, at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    Fired(u8),
    Paused,
    Stalled(bool),
    Drew(u64),
    Counted(usize),
    Told(u32),
}

/// Timers from this one on also save their own number when they go off.
pub const SAVING: u8 = 100;

/// The numbers that it has saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Toy(pub Vec<u32>);

impl Toy {
    fn save(&mut self, number: u32, fx: &mut Effects<Self>) {
        self.0.push(number);
        fx.persist(number);
        fx.claim(PEER, number);
        fx.emit(number);
        fx.notice(PEER, number);
    }
}

impl Protocol for Toy {
    type Config = ();
    type Command = Do;
    type Event = u32;
    type Timer = u8;
    type Heard = u32;
    type Notice = u32;
    type Claim = u32;
    type Note = u32;
    type Record = u32;
    type Durable = Vec<u32>;
    type Query = ();
    type Rows = usize;
    type Report = Said;
    type Parts = ();

    fn recover(_: &(), recovered: Recovered<Vec<u32>>, _: &mut Effects<Self>) -> Self {
        match recovered {
            Recovered::Known(numbers) => Self(numbers),
            Recovered::Fresh | Recovered::Lost => Self::default(),
        }
    }

    fn step(&mut self, _: &(), input: Input<Self>, fx: &mut Effects<Self>) {
        match input {
            Input::Commanded(_, Do::Arm(timer, ms)) => fx.arm(timer, Delay::exactly(Ticks(ms))),
            Input::Commanded(_, Do::Disarm(timer)) => fx.disarm(timer),
            Input::Commanded(_, Do::Draw) => fx.draw(Draw::Nonce),
            Input::Commanded(_, Do::Count) => fx.fetch(()),
            Input::Commanded(_, Do::Break) => fx.fault(Broken("as told")),
            Input::Commanded(_, Do::Save(number)) | Input::Received { message: number, .. } => self.save(number, fx),
            Input::Commanded(_, Do::Say(number)) => fx.report(Said::Told(number)),
            Input::Fired(timer) => {
                fx.report(Said::Fired(timer));
                if timer >= SAVING {
                    self.save(timer.into(), fx);
                }
            }
            Input::Fetched { rows, .. } => fx.report(Said::Counted(rows)),
            Input::Drawn(Drawn::Nonce(nonce)) => fx.report(Said::Drew(nonce)),
            Input::Stalled(short) => fx.report(Said::Stalled(short)),
            Input::Paused => fx.report(Said::Paused),
            Input::Durable(_) | Input::Link { .. } | Input::Drawn(Drawn::Order { .. }) => {}
        }
    }

    fn check(&self, _: &()) -> Result<(), Broken> {
        Ok(())
    }
}

/// What the test decides about the disk, and what is on it.
#[derive(Debug, Default)]
pub struct DiskState {
    pub numbers: Vec<u32>,
    pub commits: usize,
    pub held: bool,
    pub short: bool,
    pub fail_commits: usize,
    pub fail_opens: usize,
    pub opens_take: Duration,
    pub opened: Vec<Instant>,
}

#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<(Mutex<DiskState>, Condvar)>);

impl Disk {
    pub fn set<R>(&self, change: impl FnOnce(&mut DiskState) -> R) -> R {
        let outcome = change(&mut self.state());
        self.0.1.notify_all();
        outcome
    }

    pub fn state(&self) -> MutexGuard<'_, DiskState> {
        // A test that has failed while it held the lock has said so already.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<Self, StoreError> {
        let takes = self.state().opens_take;
        std::thread::sleep(takes);
        self.set(|state| {
            state.opened.push(Instant::now());
            if state.fail_opens > 0 {
                state.fail_opens -= 1;
                return Err(StoreError::new("opening", "as told"));
            }
            Ok(self.clone())
        })
    }
}

impl Store<Toy> for Disk {
    fn load(&mut self) -> Result<Recovered<Vec<u32>>, StoreError> {
        Ok(Recovered::Known(self.state().numbers.clone()))
    }

    fn commit(&mut self, records: &[u32]) -> Result<(), StoreError> {
        let held = self.0.1.wait_while(self.state(), |state| state.held);
        let mut state = held.unwrap_or_else(PoisonError::into_inner);
        if state.fail_commits > 0 {
            state.fail_commits -= 1;
            return Err(StoreError::new("committing", "as told"));
        }
        state.numbers.extend(records);
        state.commits += 1;
        Ok(())
    }

    fn answer(&mut self, (): &()) -> Result<usize, StoreError> {
        Ok(self.state().numbers.len())
    }

    fn is_short(&mut self) -> bool {
        self.state().short
    }
}

/// All that left the node, with the time.
#[derive(Debug, Default)]
pub struct Book {
    pub claims: Vec<u32>,
    pub events: Vec<u32>,
    pub notices: Vec<u32>,
    pub reports: Vec<(Instant, Said)>,
    pub started: Vec<Vec<u32>>,
    pub store_failures: usize,
    pub looks: usize,
    pub faults: usize,
    /// Stand still for so long at the next report.
    pub stand_still: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Pages(Arc<Mutex<Book>>);

impl Pages {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shell<Toy> for Pages {
    fn started(&mut self, state: &Toy) {
        self.book().started.push(state.0.clone());
    }

    fn notice(&mut self, _to: NodeId, notice: u32) {
        self.book().notices.push(notice);
    }

    fn claim(&mut self, _to: NodeId, claim: u32) {
        self.book().claims.push(claim);
    }

    fn event(&mut self, event: u32) {
        self.book().events.push(event);
    }

    fn report(&mut self, report: Said) {
        let still = {
            let mut book = self.book();
            book.reports.push((Instant::now(), report));
            std::mem::take(&mut book.stand_still)
        };
        std::thread::sleep(still);
    }

    fn look(&mut self, _state: &Toy) {
        self.book().looks += 1;
    }

    fn store_failed(&mut self, _error: &StoreError) {
        self.book().store_failures += 1;
    }

    fn fault(&mut self, _broken: Broken) {
        self.book().faults += 1;
    }
}

/// Lets the disk go on when a test ends, so that one that fails does not wait for its store for ever.
pub struct Release(Disk);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.set(|disk| disk.held = false);
    }
}

/// A running toy.
pub struct Running {
    _release: Release,
    pub disk: Disk,
    pub pages: Pages,
    pub letters: Mailbox<Toy>,
    pub stop: watch::Sender<bool>,
    pub node: JoinHandle<End>,
}

pub fn start(disk: Disk, gate: GateBound, capacity: usize) -> Running {
    start_with(disk, gate, capacity, BootClock::default())
}

pub fn start_with(disk: Disk, gate: GateBound, capacity: usize, clock: BootClock) -> Running {
    let (letters, inbox) = mailbox(capacity);
    let (stop, stopping) = watch::channel(false);
    let pages = Pages::default();
    let options = Options {
        gate,
        jitter_seed: 7,
        pause: Duration::from_millis(300),
        reopen_max: Duration::from_millis(400),
        clock,
        ..Options::deployed("toy")
    };
    let (mut shell, opener) = (pages.clone(), disk.clone());
    let node = tokio::spawn(async move { run(&(), options, || opener.open(), &mut shell, inbox, stopping).await });
    Running {
        _release: Release(disk.clone()),
        disk,
        pages,
        letters,
        stop,
        node,
    }
}

impl Running {
    pub async fn tell(&self, command: Do) {
        self.letters
            .send(Mail::Command(RequestId(0), command))
            .await
            .expect("the node takes mail");
    }

    pub fn reports(&self) -> Vec<Said> {
        self.pages.book().reports.iter().map(|(_, said)| said.clone()).collect()
    }

    /// Waits until it is so.
    pub async fn until(&self, what: &str, mut so: impl FnMut(&Book, &DiskState) -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let is_so = {
                let (book, state) = (self.pages.book(), self.disk.state());
                so(&book, &state)
            };
            if is_so {
                return;
            }
            assert!(Instant::now() < until, "waited in vain: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn end(self) -> End {
        // A node that has ended already does not listen.
        let _ = self.stop.send(true);
        self.node.await.expect("no panic")
    }
}
