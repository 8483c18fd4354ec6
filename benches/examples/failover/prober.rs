//! Asks every survivor all the time, and notices when it was itself too late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::question::Question;

/// Time between two attempts at one node.
pub const PERIOD: Duration = Duration::from_millis(5);

/// How long one attempt may take.
pub const DEADLINE: Duration = Duration::from_millis(150);

/// A trial in which this program's own clock was later than this is made again.
pub const STALL: Duration = Duration::from_millis(20);

/// An attempt that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Success {
    pub asked: Instant,
    pub answered: Instant,
    /// The number of the leadership behind it, where the system tells it.
    pub term: Option<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    successes: Mutex<Vec<Success>>,
    /// When this program was too late.
    stalls: Mutex<Vec<Instant>>,
    end: AtomicBool,
}

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Prober {
    seen: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

impl Prober {
    /// Starts to ask all of these, evenly spread over the period.
    pub fn start(questions: Vec<Question>) -> Self {
        let seen = Arc::new(Seen::default());
        let asking = Arc::clone(&seen);
        let watching = Arc::clone(&seen);
        let threads = vec![
            std::thread::spawn(move || ask_all(&questions, &asking)),
            std::thread::spawn(move || watch_own_clock(&watching)),
        ];
        Self { seen, threads }
    }

    /// All that was answered so far, in the order of the answers.
    pub fn successes(&self) -> Vec<Success> {
        locked(&self.seen.successes).clone()
    }

    /// Whether this program was too late at some time since.
    pub fn stalled_since(&self, since: Instant) -> bool {
        locked(&self.seen.stalls).iter().any(|stall| *stall >= since)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.seen.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn is_over(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    fn check_clock(&self, due: Instant) {
        if due.elapsed() > STALL {
            locked(&self.stalls).push(Instant::now());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}

fn ask_all(questions: &[Question], seen: &Arc<Seen>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let apart = PERIOD / u32::try_from(questions.len()).expect("few nodes");
    runtime.block_on(async {
        let begin = Instant::now();
        let asking: Vec<_> = (0..)
            .zip(questions)
            .map(|(number, question)| tokio::spawn(ask_one(question.clone(), begin + apart * number, Arc::clone(seen))))
            .collect();
        for one in asking {
            let _ = one.await;
        }
    });
}

async fn ask_one(question: Question, mut due: Instant, seen: Arc<Seen>) {
    while !seen.is_over() {
        tokio::time::sleep_until(due.into()).await;
        seen.check_clock(due);
        tokio::spawn(attempt(question.clone(), Arc::clone(&seen)));
        // What was missed while late is not made up for in a burst.
        due = (due + PERIOD).max(Instant::now());
    }
}

async fn attempt(question: Question, seen: Arc<Seen>) {
    let asked = Instant::now();
    if let Ok(Ok(answer)) = tokio::time::timeout(DEADLINE, question.ask()).await {
        locked(&seen.successes).push(Success {
            asked,
            answered: Instant::now(),
            term: answer.term,
        });
    }
}

/// A second clock, on a thread that does nothing else: the asking thread may be late through its own work.
fn watch_own_clock(seen: &Seen) {
    while !seen.is_over() {
        let due = Instant::now() + Duration::from_millis(2);
        std::thread::sleep(Duration::from_millis(2));
        seen.check_clock(due);
    }
}
