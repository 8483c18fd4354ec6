//! The edge: hosts the windows and the sender, so that source positions, windows and outbox rows are one commit.
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `pipeline/P1` A record of the source takes effect exactly once: its position moves in the commit that counts it.
//! * `pipeline/P2` A tuple is in the outbox exactly when the windows that made it say it was closed.
//!
//! # What it assumes
//! Each partition of the source is read in order and can be read again from any position that it still holds.
//!
//! | input | guard | effects |
//! | --- | --- | --- |
//! | Take | `before` is not this partition's position | report: refused, with the position to seek to |
//! | Take | the disk is nearly full, or the backlog is | report: refused; the source pauses |
//! | Take a reading | – | persist the position, and what the windows and the sender make of it |
//! | Take what cannot be read, or is gone | – | persist the position and the item set aside |
//! | a window closes, also by a sweep | – | append its tuple in the same commit |
//! | all else | – | handed to the child whose it is |

#[cfg(seeded_bugs)]
pub mod bugs;
mod image;

pub use image::PipelineImage;

use alloc::vec::Vec;

use crate::delivery::{Downlink, Heartbeat, Phase, Refusal, Rows, RowsQuery, Sender, SenderClaim, SenderConfig};
use crate::delivery::{SenderDurable, SenderEvent, SenderRecord, SenderReport, SenderTimer};
use crate::protocol::{Effects, Input, Protocol, Recovered};
use crate::types::{Broken, Never, RequestId};
use crate::window::{
    House, Reading, Take, Tuple, Why, WindowConfig, WindowEvent, WindowNote, WindowRecord, WindowTimer, Windows,
};

/// The most partitions that one edge reads.
pub const PARTITIONS_MAX: usize = 1024;

/// Bytes of an unreadable record that are kept for a person to look at.
pub const RAW_MAX: usize = 1024;

/// What an edge is told once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PipelineConfig {
    /// How windows are made.
    pub windows: WindowConfig,
    /// How rows are delivered.
    pub sender: SenderConfig,
    /// The bug that this run has been given.
    #[cfg(seeded_bugs)]
    pub bug: Option<bugs::Bug>,
}

/// One record of the source, with its partition's position before and after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taken {
    /// Partition of the source.
    pub partition: u16,
    /// Position before it; must be where this edge stands.
    pub before: u64,
    /// Position after it.
    pub after: u64,
    /// What it holds.
    pub content: Content,
}

/// What a record of the source holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// A reading.
    Reading(Take),
    /// Something else: its first bytes, for a person.
    Unreadable(Vec<u8>),
    /// Nothing: the source no longer holds the records between the two positions.
    Gone,
}

/// Something that is in no window, and where it stood in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetAside {
    /// Why.
    pub why: Why,
    /// Partition of the source.
    pub partition: u16,
    /// Its position.
    pub position: u64,
    /// The position after it.
    pub after: u64,
    /// The reading, if it could be read.
    pub reading: Option<Reading>,
    /// Its first bytes, if it could not.
    pub raw: Vec<u8>,
}

/// What the edge says holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PipelineEvent {
    /// Of the sender.
    Sender(SenderEvent),
    /// A tuple is in the outbox, durably.
    Closed(Tuple),
}

/// The edge's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PipelineTimer {
    /// Of the windows.
    Window(WindowTimer),
    /// Of the sender.
    Sender(SenderTimer),
}

/// One change of the edge's store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PipelineRecord {
    /// Records of a partition before this position have been taken.
    Position {
        /// Partition of the source.
        partition: u16,
        /// The next position.
        next: u64,
    },
    /// Of the windows.
    Window(WindowRecord),
    /// Of the sender.
    Sender(SenderRecord<Tuple>),
    /// Kept for a person.
    SetAside(SetAside),
}

/// What recovery starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PipelineDurable {
    /// Next position by partition, sorted.
    pub positions: Vec<(u16, u64)>,
    /// Of the windows.
    pub houses: Vec<House>,
    /// Of the sender.
    pub sender: SenderDurable,
}

/// The edge's ungated news.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PipelineReport {
    /// A record was not taken: the partition stands at `expected`.
    Position {
        /// Of the record.
        request: RequestId,
        /// Partition of the source.
        partition: u16,
        /// Seek here.
        expected: u64,
    },
    /// A record was not taken: offer it again later.
    Refused(RequestId, Refusal),
    /// Something was set aside.
    SetAside(Why),
    /// Of the sender.
    Sender(SenderReport),
}

/// The children's effects.
#[derive(Debug, Default)]
pub struct Parts {
    windows: Effects<Windows>,
    sender: Effects<Sender<Tuple>>,
}

impl From<Never> for SenderClaim<Tuple> {
    fn from(never: Never) -> Self {
        match never {}
    }
}
impl From<Never> for Heartbeat {
    fn from(never: Never) -> Self {
        match never {}
    }
}
impl From<Never> for RowsQuery {
    fn from(never: Never) -> Self {
        match never {}
    }
}
impl From<Never> for PipelineReport {
    fn from(never: Never) -> Self {
        match never {}
    }
}
impl From<Never> for WindowNote {
    fn from(never: Never) -> Self {
        match never {}
    }
}
impl From<SenderReport> for PipelineReport {
    fn from(report: SenderReport) -> Self {
        Self::Sender(report)
    }
}
impl From<WindowRecord> for PipelineRecord {
    fn from(record: WindowRecord) -> Self {
        Self::Window(record)
    }
}
impl From<SenderRecord<Tuple>> for PipelineRecord {
    fn from(record: SenderRecord<Tuple>) -> Self {
        Self::Sender(record)
    }
}

/// The edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pipeline {
    /// Next position by partition, sorted.
    positions: Vec<(u16, u64)>,
    windows: Windows,
    sender: Sender<Tuple>,
}

impl Protocol for Pipeline {
    type Config = PipelineConfig;
    type Command = Taken;
    type Event = PipelineEvent;
    type Timer = PipelineTimer;
    type Heard = Downlink<Tuple>;
    type Notice = Heartbeat;
    type Claim = SenderClaim<Tuple>;
    type Note = WindowNote;
    type Record = PipelineRecord;
    type Durable = PipelineDurable;
    type Query = RowsQuery;
    type Rows = Rows<Tuple>;
    type Report = PipelineReport;
    type Parts = Parts;

    fn recover(config: &PipelineConfig, recovered: Recovered<PipelineDurable>, fx: &mut Effects<Self>) -> Self {
        let (positions, houses, sender) = match recovered {
            Recovered::Known(durable) => (
                durable.positions,
                Recovered::Known(durable.houses),
                Recovered::Known(durable.sender),
            ),
            Recovered::Fresh => (Vec::new(), Recovered::Fresh, Recovered::Fresh),
            Recovered::Lost => (Vec::new(), Recovered::Lost, Recovered::Lost),
        };
        let mut parts = core::mem::take(&mut fx.parts);
        let windows = Windows::recover(&config.windows, houses, &mut parts.windows);
        let sender = Sender::recover(&config.sender, sender, &mut parts.sender);
        let mut pipeline = Self {
            positions,
            windows,
            sender,
        };
        pipeline.absorb(config, None, &mut parts, fx);
        fx.parts = parts;
        pipeline
    }

    fn step(&mut self, config: &PipelineConfig, input: Input<Self>, fx: &mut Effects<Self>) {
        let mut parts = core::mem::take(&mut fx.parts);
        let mut at = None;
        match input {
            Input::Commanded(request, taken) => {
                at = Some((taken.partition, taken.before, taken.after));
                self.on_taken(config, request, taken, &mut parts, fx);
            }
            Input::Fired(PipelineTimer::Window(timer)) => {
                self.windows
                    .step(&config.windows, Input::Fired(timer), &mut parts.windows);
            }
            Input::Fired(PipelineTimer::Sender(timer)) => {
                self.sender.step(&config.sender, Input::Fired(timer), &mut parts.sender);
            }
            Input::Received { from, message } => {
                self.sender
                    .step(&config.sender, Input::Received { from, message }, &mut parts.sender);
            }
            Input::Fetched { query, rows } => {
                self.sender
                    .step(&config.sender, Input::Fetched { query, rows }, &mut parts.sender);
            }
            Input::Drawn(drawn) => self.sender.step(&config.sender, Input::Drawn(drawn), &mut parts.sender),
            Input::Link { peer, up } => {
                self.sender
                    .step(&config.sender, Input::Link { peer, up }, &mut parts.sender);
            }
            Input::Stalled(stalled) => {
                self.sender
                    .step(&config.sender, Input::Stalled(stalled), &mut parts.sender);
            }
            Input::Paused => {
                self.windows.step(&config.windows, Input::Paused, &mut parts.windows);
                self.sender.step(&config.sender, Input::Paused, &mut parts.sender);
            }
            Input::Durable(note) => {
                self.windows
                    .step(&config.windows, Input::Durable(note), &mut parts.windows);
            }
        }
        self.absorb(config, at, &mut parts, fx);
        fx.parts = parts;
    }

    fn check(&self, config: &PipelineConfig) -> Result<(), Broken> {
        if !self.positions.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Broken("pipeline: partitions out of order"));
        }
        self.windows.check(&config.windows)?;
        self.sender.check(&config.sender)
    }
}

impl Pipeline {
    /// Where a partition stands; `None` before its first record.
    #[must_use]
    pub fn position(&self, partition: u16) -> Option<u64> {
        let at = self
            .positions
            .binary_search_by_key(&partition, |(partition, _)| *partition)
            .ok()?;
        self.positions.get(at).map(|(_, next)| *next)
    }

    /// Where all partitions stand.
    #[must_use]
    pub fn positions(&self) -> &[(u16, u64)] {
        &self.positions
    }

    /// The sender, to look at.
    #[must_use]
    pub const fn sender(&self) -> &Sender<Tuple> {
        &self.sender
    }

    /// The windows, to look at.
    #[must_use]
    pub const fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Whether nothing can be delivered until a person decides.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.sender.phase() == Phase::Fenced
    }

    fn on_taken(
        &mut self,
        config: &PipelineConfig,
        request: RequestId,
        taken: Taken,
        parts: &mut Parts,
        fx: &mut Effects<Self>,
    ) {
        let Taken {
            partition,
            before,
            after,
            content,
        } = taken;
        let slot = self
            .positions
            .binary_search_by_key(&partition, |(partition, _)| *partition);
        let expected = slot
            .ok()
            .and_then(|at| self.positions.get(at))
            .map_or(before, |(_, next)| *next);
        #[cfg(seeded_bugs)]
        let expected = if config.bug == Some(bugs::Bug::PositionUnchecked) {
            before
        } else {
            expected
        };
        if expected != before || after <= before {
            fx.report(PipelineReport::Position {
                request,
                partition,
                expected,
            });
            return;
        }
        if let Some(refusal) = self.sender.refusal(&config.sender) {
            fx.report(PipelineReport::Refused(request, refusal));
            return;
        }
        match slot {
            Ok(at) => {
                if let Some(slot) = self.positions.get_mut(at) {
                    slot.1 = after;
                }
            }
            Err(_) if self.positions.len() >= PARTITIONS_MAX => {
                fx.fault(Broken("pipeline: more partitions than one edge can read"));
                return;
            }
            Err(at) => self.positions.insert(at, (partition, after)),
        }
        #[cfg(seeded_bugs)]
        let next = if config.bug == Some(bugs::Bug::PositionLags) {
            before
        } else {
            after
        };
        #[cfg(not(seeded_bugs))]
        let next = after;
        fx.persist(PipelineRecord::Position { partition, next });
        let put_aside = |why, raw| SetAside {
            why,
            partition,
            position: before,
            after,
            reading: None,
            raw,
        };
        match content {
            Content::Reading(take) => {
                self.windows
                    .step(&config.windows, Input::Commanded(request, take), &mut parts.windows);
            }
            Content::Unreadable(mut raw) => {
                raw.truncate(RAW_MAX);
                fx.report(PipelineReport::SetAside(Why::Unreadable));
                fx.persist(PipelineRecord::SetAside(put_aside(Why::Unreadable, raw)));
            }
            Content::Gone => {
                fx.report(PipelineReport::SetAside(Why::Gone));
                fx.persist(PipelineRecord::SetAside(put_aside(Why::Gone, Vec::new())));
            }
        }
    }

    /// Takes over what the children said. A tuple that the windows close is appended by the sender in the same step.
    fn absorb(
        &mut self,
        config: &PipelineConfig,
        at: Option<(u16, u64, u64)>,
        parts: &mut Parts,
        fx: &mut Effects<Self>,
    ) {
        let Parts { windows, sender } = parts;
        fx.absorb(windows, PipelineTimer::Window, |fx, event| match event {
            WindowEvent::Closed(tuple) => {
                self.sender.append(&config.sender, tuple, sender);
                fx.emit(PipelineEvent::Closed(tuple));
            }
            WindowEvent::SetAside(why, reading) => {
                let (partition, position, after) = at.unwrap_or_default();
                let raw = Vec::new();
                fx.report(PipelineReport::SetAside(why));
                fx.persist(PipelineRecord::SetAside(SetAside {
                    why,
                    partition,
                    position,
                    after,
                    reading: Some(reading),
                    raw,
                }));
            }
        });
        fx.absorb(sender, PipelineTimer::Sender, |fx, event| {
            fx.emit(PipelineEvent::Sender(event));
        });
    }
}
