//! One trial: wait, fault the leader, watch until answers flow again.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::prober::{Prober, Success};
use crate::report::{cpu_pressure_us, median};
use crate::stop::{Stop, pause};
use crate::system::{Fault, NODES, Place};

/// How often the watch looks.
const LOOK: Duration = Duration::from_millis(10);

/// Answers flow when the last one is no older than this.
const FLOWS: Duration = Duration::from_millis(100);

/// How long a leader that was asked to end may take.
const END: Duration = Duration::from_secs(20);

/// What one trial found.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// After a sudden fault: from the fault to the first answer of the next leadership. After a graceful one: the longest
    /// time without an answer, as the old leader may go on answering for a while. ms.
    pub ms: f64,
    /// The longest time without an answer while nothing was wrong, just before the fault: what is noise. ms.
    pub quiet_gap_ms: f64,
    /// What an attempt took in that quiet time, at the median. ms.
    pub quiet_answer_ms: f64,
    /// Share of the trial in which something on this machine waited for a processor, in percent.
    pub pressure: f64,
}

/// How a trial ended.
#[derive(Debug)]
pub enum Outcome {
    /// With a figure.
    Measured(Outage),
    /// Answers never came back.
    Lost { waited_ms: f64 },
    /// It says nothing and is made again.
    Again(&'static str),
}

/// One trial, on a cluster that may still lack what the trial before took away.
pub fn run(cluster: &mut Cluster<'_>, fault: Fault, random: &mut StdRng) -> Result<Outcome, Stop> {
    cluster.heal()?;
    let Some(victim) = cluster.leader() else {
        return Ok(Outcome::Again("no leader"));
    };
    let patience = Duration::from_millis(cluster.system.pace().timeout_ms.into());
    let (pressed, began) = (cpu_pressure_us(), Instant::now());
    // Where only a leader answers, there is no quiet time to compare with unless it is asked as well.
    let all = fault == Fault::Move || cluster.system.tells_fencing_numbers();
    let asked = (0..NODES).filter(|place| all || *place != victim);
    let prober = Prober::start(asked.map(|place| cluster.question(place)).collect());
    // Longer than one timeout, so that there is a quiet time to compare with; random, so that the fault falls anywhere
    // between two heartbeats.
    pause(patience.mul_f64(random.random_range(1.5..2.5)))?;
    if cluster.leader() != Some(victim) {
        return Ok(Outcome::Again("the leader changed before the fault"));
    }
    let faulted = Instant::now();
    let Some(done) = apply(cluster, fault, victim)? else {
        return Ok(Outcome::Again("the leader did not do as it was asked"));
    };
    let watch = Watch {
        before: faulted - patience,
        faulted,
        done,
        patience,
        is_graceful: fault.is_graceful(),
    };
    let outcome = watch.until_answers_flow(&prober)?;
    if prober.stalled_since(watch.before) {
        return Ok(Outcome::Again("this program was held up"));
    }
    if cluster.system.tells_fencing_numbers() {
        refuse_a_fall(&prober.successes())?;
    }
    if fault == Fault::Move && cluster.leader() == Some(victim) {
        return Ok(Outcome::Again("the leader did not hand over"));
    }
    let waited = cpu_pressure_us().zip(pressed).map_or(0, |(now, then)| now - then);
    #[allow(clippy::cast_precision_loss)] // a share
    let pressure = waited as f64 / began.elapsed().as_micros() as f64 * 100.0;
    Ok(match outcome {
        Outcome::Measured(outage) => Outcome::Measured(Outage { pressure, ..outage }),
        other => other,
    })
}

/// Faults the leader; when that was complete, or nothing if it refused.
fn apply(cluster: &mut Cluster<'_>, fault: Fault, victim: Place) -> Result<Option<Instant>, Stop> {
    match fault {
        Fault::Kill => cluster.node(victim).kill9(),
        Fault::Stop => cluster.node(victim).signal(Signal::STOP),
        Fault::Term => {
            cluster.node(victim).signal(Signal::TERM);
            let asked = Instant::now();
            while cluster.node(victim).is_running() {
                if asked.elapsed() > END {
                    return Ok(None);
                }
                pause(LOOK)?;
            }
        }
        Fault::Move => {
            if cluster.hand_over(victim, (victim + 1) % NODES).is_err() {
                return Ok(None);
            }
        }
    }
    Ok(Some(Instant::now()))
}

/// The times that a trial is judged by.
struct Watch {
    /// The quiet time begins.
    before: Instant,
    faulted: Instant,
    /// The fault is complete: the process is gone, the order carried out.
    done: Instant,
    /// The failure timeout.
    patience: Duration,
    is_graceful: bool,
}

impl Watch {
    /// Waits until answers have flowed for one failure timeout since the fault was complete and the longest gap was over.
    fn until_answers_flow(&self, prober: &Prober) -> Result<Outcome, Stop> {
        let limit = self.patience * 10 + Duration::from_secs(5);
        loop {
            pause(LOOK)?;
            let successes = prober.successes();
            let flows = successes.last().is_some_and(|last| last.answered.elapsed() < FLOWS);
            if let Some(outage) = self.judge(&successes).filter(|_| flows) {
                return Ok(Outcome::Measured(outage));
            }
            if self.done.elapsed() > limit {
                return Ok(Outcome::Lost {
                    waited_ms: ms(self.faulted.elapsed()),
                });
            }
        }
    }

    /// The figures, once it is late enough to tell.
    fn judge(&self, successes: &[Success]) -> Option<Outage> {
        let gap = longest_gap(successes, self.faulted, Instant::now())?;
        let ended = if self.is_graceful {
            gap.end
        } else {
            self.first_of_next(successes).unwrap_or(gap.end)
        };
        let is_late = ended.max(self.done).elapsed() >= self.patience;
        let began = if self.is_graceful { gap.begin } else { self.faulted };
        let quiet = longest_gap(successes, self.before, self.faulted)?;
        is_late.then(|| Outage {
            ms: ms(ended - began),
            quiet_gap_ms: ms(quiet.end - quiet.begin),
            quiet_answer_ms: self.quiet_answer_ms(successes),
            pressure: 0.0,
        })
    }

    fn quiet_answer_ms(&self, successes: &[Success]) -> f64 {
        let quiet = successes
            .iter()
            .filter(|success| success.asked > self.before && success.answered < self.faulted);
        median(
            &quiet
                .map(|success| ms(success.answered - success.asked))
                .collect::<Vec<_>>(),
        )
    }

    /// The first answer that a later leadership stands behind, where the system tells.
    fn first_of_next(&self, successes: &[Success]) -> Option<Instant> {
        let mut until_fault = successes.iter().filter(|success| success.answered < self.faulted);
        let old = until_fault.next_back()?.term?;
        let mut next = successes
            .iter()
            .filter(|success| success.term.is_some_and(|term| term > old));
        next.next().map(|success| success.answered)
    }
}

/// A question that was asked after an answer must not be answered in an earlier leadership.
fn refuse_a_fall(successes: &[Success]) -> Result<(), Stop> {
    let mut by_asking: Vec<&Success> = successes.iter().collect();
    by_asking.sort_by_key(|success| success.asked);
    let mut answered = successes.iter().peekable();
    let mut highest = None;
    for success in by_asking {
        while let Some(earlier) = answered.next_if(|earlier| earlier.answered < success.asked) {
            highest = highest.max(earlier.term);
        }
        if success.term < highest {
            return Err(Stop::failed(format!(
                "fencing numbers fell: {:?} was answered, and to a later question {:?}",
                highest, success.term
            )));
        }
    }
    Ok(())
}

struct Gap {
    begin: Instant,
    end: Instant,
}

/// The longest time without an answer between these two; none if nothing was answered between them.
fn longest_gap(successes: &[Success], from: Instant, until: Instant) -> Option<Gap> {
    let mut times: Vec<Instant> = successes.iter().map(|success| success.answered).collect();
    times.retain(|time| *time > from && *time < until);
    let gaps = std::iter::once(&from).chain(&times).zip(&times);
    gaps.map(|(begin, end)| Gap {
        begin: *begin,
        end: *end,
    })
    .max_by_key(|gap| gap.end - gap.begin)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
