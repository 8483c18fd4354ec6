//! One link: reads, writes and watches one connection until it ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use pehra_core::types::NodeId;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::events::Lost;
use super::inner::Inner;
use super::member::{Member, Outbox, Pulse};
use super::speech::Speech;
use crate::Counters;
use crate::sp::Stream;
use crate::sp::frame::{Ended, read_frame, write_frame};

/// A connection between two members that believe each other. The host has had its Up.
pub(super) struct Link {
    pub(super) node: NodeId,
    pub(super) stream: Box<dyn Stream>,
    /// What was read beyond the greeting.
    pub(super) buffer: BytesMut,
    pub(super) outbox: Outbox,
}

/// Looks for a sign of life within `silence_max`; the last of them must find none.
const LOOKS: u32 = 4;

impl Inner {
    /// Serves a link until it ends, and tells so.
    pub(super) async fn serve(&self, link: Link) {
        let Link {
            node,
            stream,
            buffer,
            outbox,
        } = link;
        let Some(member) = self.member(node) else { return };
        let (reader, writer) = tokio::io::split(stream);
        let Outbox { pulse, .. } = &outbox;
        let pulse = Arc::clone(pulse);
        let reading = self.read(reader, buffer, member, &pulse);
        tokio::pin!(reading);
        let mut outbox = outbox;
        let lost = tokio::select! {
            lost = &mut reading => lost,
            written = self.write(writer, &mut outbox) => match written {
                // Closed by this side: what the peer still says is heard, since hanging up on it could cost it our last words.
                Ok(()) => {
                    let _ = timeout(self.options.write_deadline, reading).await;
                    Lost::Closed
                }
                Err(lost) => lost,
            },
            () = self.watch(&pulse) => Lost::Silent,
            () = pulse.end.notified() => if pulse.renewed.load(Ordering::Relaxed) { Lost::Renewed } else { Lost::Replaced },
        };
        match &lost {
            Lost::Silent => Counters::add(&self.counters.silences),
            Lost::Slow => Counters::add(&self.counters.slow_writes),
            Lost::Broke(_) => Counters::add(&self.counters.refused_frames),
            Lost::Gone(_) | Lost::Replaced | Lost::Renewed | Lost::Closed => {}
        }
        tracing::info!(%node, why = %lost, "a member's link ended");
        member.close();
        self.post.down(node, lost);
        // Only now may a new link of this member stand.
        drop(outbox);
    }

    async fn read(
        &self,
        mut stream: ReadHalf<Box<dyn Stream>>,
        mut buffer: BytesMut,
        member: &Member,
        pulse: &Pulse,
    ) -> Lost {
        let frame_max = self.options.frame_max;
        loop {
            let frame = match read_frame(&mut stream, &mut buffer, frame_max.saturating_add(1)).await {
                Ok(frame) => frame,
                Err(Ended::Refused(why)) => return Lost::Broke(why),
                Err(Ended::Gone(why) | Ended::WrongPeer(why)) => return Lost::Gone(why),
            };
            pulse.heard.fetch_add(1, Ordering::Relaxed);
            match Speech::read(frame, frame_max) {
                Ok(Speech::Message(bytes)) => {
                    Counters::add(&self.counters.messages_in);
                    pulse.paused.store(true, Ordering::Relaxed);
                    let room = Arc::clone(&member.inbox).acquire_owned().await;
                    pulse.paused.store(false, Ordering::Relaxed);
                    let Ok(room) = room else { return Lost::Closed };
                    self.post.message(member.node, bytes, room);
                }
                // Full, it will be said soon anyway.
                Ok(Speech::Ping(number)) => drop(pulse.controls.try_send(Speech::Pong(number))),
                Ok(Speech::Pong(number)) => drop(pulse.ponged.fetch_max(number, Ordering::Relaxed)),
                Ok(Speech::Welcome | Speech::Refused(_)) => return Lost::Broke("a greeting in the middle".into()),
                Err(why) => return Lost::Broke(format!("the peer sent {why}")),
            }
        }
    }

    /// Writes until the line is closed and all is out.
    async fn write(&self, stream: WriteHalf<Box<dyn Stream>>, outbox: &mut Outbox) -> Result<(), Lost> {
        let deadline = self.options.write_deadline;
        let mut stream = BufWriter::with_capacity(64 * 1024, stream);
        loop {
            let (speech, bytes) = tokio::select! {
                biased;
                Some(control) = outbox.controls.recv() => (control, 0),
                message = outbox.messages.recv() => match message {
                    Some(message) => {
                        let bytes = message.len();
                        Counters::add(&self.counters.messages_out);
                        (Speech::Message(message), bytes)
                    }
                    None => break,
                },
            };
            within(deadline, write_speech(&mut stream, &speech)).await?;
            outbox.pulse.queued.fetch_sub(bytes, Ordering::Relaxed);
            if outbox.messages.is_empty() && outbox.controls.is_empty() {
                within(deadline, stream.flush()).await?;
            }
        }
        within(deadline, stream.shutdown()).await
    }

    /// Ends when nothing was heard for `silence_max`, in spite of asking. It counts looks rather than time: a process that
    /// was stopped itself has much to read first when it goes on.
    async fn watch(&self, pulse: &Pulse) {
        let Some(silence_max) = self.options.silence_max else {
            return std::future::pending().await;
        };
        let mut looks = interval((silence_max / LOOKS).max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        let (mut heard, mut in_vain) = (0, 0);
        while in_vain < LOOKS {
            looks.tick().await;
            let now = pulse.heard.load(Ordering::Relaxed);
            if now != heard || pulse.paused.load(Ordering::Relaxed) {
                (heard, in_vain) = (now, 0);
            } else {
                in_vain += 1;
                // Zero: nobody waits for this one.
                let _ = pulse.controls.try_send(Speech::Ping(0));
            }
        }
    }
}

async fn within(deadline: Duration, act: impl Future<Output = io::Result<()>>) -> Result<(), Lost> {
    match timeout(deadline, act).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(match Ended::from(error) {
            Ended::Gone(why) | Ended::WrongPeer(why) | Ended::Refused(why) => Lost::Gone(why),
        }),
        Err(_) => Err(Lost::Slow),
    }
}

/// Writes one frame; the caller flushes.
pub(super) async fn write_speech(stream: &mut (impl AsyncWrite + Unpin), speech: &Speech) -> io::Result<()> {
    let (kind, body) = speech.parts();
    write_frame(stream, &[kind], &body).await
}
