//! A client that finds the broker down: it is asked what it wants, and then held, or refused.

use std::time::Duration;

use pehra_core::sleep::traffic::{API_VERSIONS, Asked, Meaning, Requests};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::connection::{connect, tell};
use crate::proxy::Shared;
use crate::stream::Stream;

/// The kinds by which a client logs in: SaslHandshake, SaslAuthenticate.
const LOGS_IN: [i16; 2] = [17, 36];

/// What every request begins with: its length, kind, version and number.
const HEAD_BYTES: usize = 12;

/// A client and a broker that have met.
pub(crate) struct Met {
    pub broker: Stream,
    /// What the client sent meanwhile.
    pub held: Vec<u8>,
    /// The requests in that.
    pub asked: Vec<Asked>,
}

/// What is to become of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// It has not asked for anything yet.
    Nothing,
    /// Something that another broker can give it, or that there is no hurry about.
    Elsewhere,
    /// Traffic: the broker is wanted.
    Broker,
}

/// Sees what a client wants of a broker that is down. What it sends is kept, as far as there is room, and returned with the
/// broker; the rest waits in the kernel. Nothing if the client went, was refused, or was held too long.
pub(crate) async fn hold(client: &mut Stream, requests: &mut Requests, shared: &Shared) -> Option<Met> {
    let (limits, teller) = (&shared.limits, &shared.teller);
    let mut waiting = Waiting::new(limits.buffer_bytes);
    let mut want = Want::Nothing;
    // Taken when it becomes known that the broker is wanted, and free again when this returns.
    let mut room: Option<OwnedSemaphorePermit> = None;
    // Until somebody asks for something, the broker is not looked for either.
    let (mut deadline, mut next_attempt) = (Instant::now() + limits.idle_max, far_away());
    loop {
        tokio::select! {
            read = client.read(&mut waiting.bytes[waiting.filled..]), if waiting.filled < limits.buffer_bytes => {
                let length = read.ok().filter(|length| *length > 0)?;
                if shared.is_sealed {
                    waiting.filled += length;
                } else {
                    waiting.take(length, requests, shared)?;
                    waiting.greet(client, shared).await?;
                }
                let now = if shared.is_sealed { Want::Broker } else { waiting.want() };
                if now == want || want == Want::Broker {
                    continue;
                }
                want = now;
                match want {
                    Want::Nothing => (deadline, next_attempt) = (Instant::now() + limits.idle_max, far_away()),
                    Want::Elsewhere => (deadline, next_attempt) = (Instant::now() + limits.refuse_after, Instant::now()),
                    Want::Broker => {
                        teller.wanted();
                        let bytes = u32::try_from(limits.buffer_bytes).unwrap_or(u32::MAX);
                        let Ok(permit) = shared.room.clone().try_acquire_many_owned(bytes) else {
                            teller.given_up();
                            return None;
                        };
                        room = Some(permit);
                        (deadline, next_attempt) = (Instant::now() + limits.hold_max, Instant::now());
                    }
                }
            }
            () = sleep_until(next_attempt) => {
                if let Some(broker) = connect(shared).await {
                    return Some(waiting.met(broker));
                }
                next_attempt = Instant::now() + limits.retry_every;
            }
            () = sleep_until(deadline) => {
                match want {
                    Want::Nothing => {}
                    Want::Elsewhere => teller.refused(),
                    Want::Broker => teller.given_up(),
                }
                drop(room);
                return None;
            }
        }
    }
}

/// What a client has sent so far.
struct Waiting {
    bytes: Vec<u8>,
    filled: usize,
    /// The requests in it, the first one first.
    asked: Vec<Asked>,
}

impl Waiting {
    fn new(room: usize) -> Self {
        Self {
            bytes: vec![0; room],
            filled: 0,
            asked: Vec::new(),
        }
    }

    /// So many more bytes have come. Nothing if they are not Kafka's protocol.
    fn take(&mut self, length: usize, requests: &mut Requests, shared: &Shared) -> Option<()> {
        let new = &self.bytes[self.filled..self.filled + length];
        let fed = requests.feed(new, |asked| {
            tell(asked, shared);
            self.asked.push(asked);
        });
        self.filled += length;
        if fed.is_err() {
            shared.teller.misframed();
        }
        fed.ok()
    }

    /// Answers questions for the broker's versions, as long as nothing else waits before them. Nothing if the client went.
    async fn greet(&mut self, client: &mut Stream, shared: &Shared) -> Option<()> {
        while let Some(asked) = self.asked.first().filter(|asked| asked.key == API_VERSIONS) {
            let Some(length) = self.whole() else {
                return Some(());
            };
            let Some(answer) = shared.greeting.answer(asked.version, asked.correlation) else {
                return Some(());
            };
            self.bytes.copy_within(length..self.filled, 0);
            self.filled -= length;
            self.asked.remove(0);
            client.write_all(&answer).await.ok()?;
            client.flush().await.ok()?;
        }
        Some(())
    }

    /// The length of the first request, if it is there whole.
    fn whole(&self) -> Option<usize> {
        let bytes = &self.bytes[..self.filled];
        let length = i32::from_be_bytes(*bytes.first_chunk()?);
        let length = usize::try_from(length).ok()?.checked_add(4)?;
        (length >= HEAD_BYTES && length <= bytes.len()).then_some(length)
    }

    /// What the client wants, by all that it asked for and that was not answered here.
    fn want(&self) -> Want {
        let cannot_be_told = |asked: &Asked| asked.meaning == Meaning::Traffic || LOGS_IN.contains(&asked.key);
        if self.asked.iter().any(cannot_be_told) {
            return Want::Broker;
        }
        match self.asked.first() {
            // It waits for an answer that is not known here, and says nothing before it comes.
            Some(asked) if asked.key == API_VERSIONS && self.whole().is_some() => Want::Broker,
            Some(asked) if asked.key == API_VERSIONS && self.filled < self.bytes.len() => Want::Nothing,
            Some(asked) if asked.key == API_VERSIONS => Want::Broker,
            Some(_) => Want::Elsewhere,
            // A Produce is told late in its head, and one that fills the room without an end is wanted as well.
            None if self.filled == self.bytes.len() => Want::Broker,
            None => Want::Nothing,
        }
    }

    fn met(mut self, broker: Stream) -> Met {
        self.bytes.truncate(self.filled);
        Met {
            broker,
            held: self.bytes,
            asked: self.asked,
        }
    }
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}
