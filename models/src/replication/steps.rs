//! What the deployed code does to one member with one input: computed once, then remembered.

use pehra_core::election::{Role, Timer};
use pehra_core::protocol::Input;
use pehra_core::replication::{
    Claim, Command, Config, Entry, Event, Index, LogId, LogImage, Message, Notice, Payload, Refusal, Replication,
    Report,
};
use pehra_core::types::{NodeId, RequestId};

use super::bounds::Disk;
use super::messages::Letter;
use super::properties::{broken, done};
use super::state::Member;
use super::world::World;
use crate::election::steps::Orders;
use crate::shared::Shared;
use crate::site::Said;

/// What is done to one member.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Hear(u32),
    Durable,
    Reported,
    Answer,
    Fire(Timer),
    Crash,
    Propose(u8),
    Read,
    Snapshot,
}

/// What a step makes of a member.
pub(super) struct Outcome {
    pub(super) member: Shared<Member>,
    pub(super) sent: Vec<Letter>,
    /// What the step alone shows to be broken.
    pub(super) broken: u16,
    /// What it says is decided, in order.
    pub(super) decided: Vec<LogId>,
    pub(super) applied: Vec<Entry<u8>>,
    pub(super) readable: Option<Index>,
    /// What it did that is worth seeing.
    pub(super) done: u8,
}

impl World {
    pub(super) const fn orders(&self) -> Orders {
        Orders {
            voters: self.bounds.voters,
            drawn: self.bounds.ranks,
        }
    }

    pub(super) fn step(&self, index: u8, member: Shared<Member>, what: What) -> Option<&'static Outcome> {
        let compute = |_: &_| self.compute(index, member, what);
        self.parts.steps.answer((index, member, what), compute).as_ref()
    }

    fn compute(&self, index: u8, before: Shared<Member>, what: What) -> Option<Outcome> {
        let config = self.config(index);
        let mut site = Member::clone(&before);
        let mut said = Vec::new();
        let taken = match what {
            What::Hear(word) => {
                let Letter { from, message, .. } = Letter::unpack(word);
                let from = NodeId(from.into());
                site.feed(config, Input::Received { from, message }, &mut self.orders(), &mut said)
            }
            What::Durable => site.make_durable(),
            What::Reported => site.report(config, &mut self.orders(), &mut said),
            What::Answer => site.answer(config, &mut self.orders(), &mut said),
            What::Fire(timer) => site.feed(config, Input::Fired(timer), &mut self.orders(), &mut said),
            What::Crash => {
                site.crash(config, &mut self.orders(), &mut said);
                true
            }
            What::Propose(number) => {
                let command = Command::Propose(number);
                site.feed(
                    config,
                    Input::Commanded(RequestId(0), command),
                    &mut self.orders(),
                    &mut said,
                )
            }
            What::Read => site.feed(
                config,
                Input::Commanded(RequestId(1), Command::Read),
                &mut self.orders(),
                &mut said,
            ),
            What::Snapshot => self.take_snapshot(config, &mut site, &mut said),
        };
        loop {
            let durable = self.bounds.disk == Disk::Instant && site.make_durable();
            let reported = self.bounds.disk != Disk::Split && site.report(config, &mut self.orders(), &mut said);
            let answered = !self.bounds.slow_store && site.answer(config, &mut self.orders(), &mut said);
            if !durable && !reported && !answered {
                break;
            }
        }
        taken.then(|| self.outcome(index, &before, what, site, said))
    }

    /// The host hands over its state, piece by piece: here the number of entries in it.
    fn take_snapshot(&self, config: &Config, site: &mut Member, said: &mut Vec<Said<Replication<u8>>>) -> bool {
        let upto = site.node.state().applied();
        if upto <= site.node.state().log().base().index {
            return false;
        }
        let body = u8::try_from(upto.0).expect("few entries");
        (0..u32::from(self.bounds.pieces)).all(|nth| {
            let end = nth + 1 == u32::from(self.bounds.pieces);
            let command = Command::Piece { upto, nth, end, body };
            site.feed(
                config,
                Input::Commanded(RequestId(2), command),
                &mut self.orders(),
                said,
            )
        })
    }

    fn outcome(
        &self,
        index: u8,
        before: &Member,
        what: What,
        site: Member,
        said: Vec<Said<Replication<u8>>>,
    ) -> Outcome {
        let (was, is) = (before.node.state(), site.node.state());
        let restarted = matches!(what, What::Crash);
        let known = if restarted { is.decided() } else { was.decided() };
        let newly = known.next().0..=is.decided().0;
        let suffix = matches!(what, What::Hear(word) if is_copy(&Letter::unpack(word).message));
        let copied = suffix && was.log() != is.log();
        let asks = matches!(was.election().role(), Role::PreCandidate { gives_way: false, .. });
        let copied = match (copied, asks) {
            (true, true) => done::COPIED,
            (true, false) => done::ASIDE,
            (false, _) => 0,
        };
        let mut outcome = Outcome {
            sent: Vec::new(),
            broken: 0,
            decided: newly.filter_map(|at| is.log().id_at(Index(at))).collect(),
            applied: Vec::new(),
            readable: None,
            done: copied,
            member: self.parts.members.share(site),
        };
        let site = &outcome.member;
        let fits = |body: &u8| u32::try_from(body.bytes()).is_ok_and(|bytes| bytes <= self.bounds.body_max);
        let entries = site.image.entries.iter().filter_map(|entry| entry.body.command());
        if !entries.chain(&site.image.pieces).all(fits) {
            outcome.broken |= broken::TOO_LARGE;
        }
        if before.image.lacks && !site.image.lacks {
            outcome.done |= done::VOTES_AGAIN;
        }
        for one in said {
            let (to, message): (NodeId, Message<u8>) = match one {
                Said::Notice(to, notice) => (to, notice.into()),
                Said::Claim(to, claim) => {
                    if let Claim::Appended { upto, .. } = claim
                        && !is_on_disk(&site.image, upto)
                    {
                        outcome.broken |= broken::ACK_EARLY;
                    }
                    (to, claim.into())
                }
                Said::Event(Event::Decided(entry)) => {
                    outcome.applied.push(entry);
                    continue;
                }
                Said::Event(Event::Load { base }) => {
                    if !restarted {
                        outcome.done |= done::INSTALLED;
                    }
                    let right = |piece: &u8| u64::from(*piece) == base.index.0;
                    let whole = site.image.pieces.len() == usize::from(self.bounds.pieces);
                    if site.image.base == base && !(whole && site.image.pieces.iter().all(right)) {
                        outcome.broken |= broken::WRONG_SNAPSHOT;
                    }
                    continue;
                }
                Said::Event(Event::Readable { at, .. }) => {
                    outcome.readable = Some(at);
                    outcome.done |= done::READ;
                    continue;
                }
                Said::Report(Report::Refused {
                    refusal: Refusal::TooLarge,
                    ..
                }) => {
                    outcome.done |= done::TOO_LARGE;
                    continue;
                }
                Said::Report(Report::Cut { .. }) => {
                    outcome.done |= done::CUT;
                    continue;
                }
                Said::Event(_) | Said::Report(_) | Said::Armed(..) => continue,
            };
            outcome.sent.push(Letter {
                from: index,
                to: u8::try_from(to.0).expect("few members"),
                message,
            });
        }
        outcome
    }
}

/// Whether this may be what a member asked a voter for.
const fn is_copy(message: &Message<u8>) -> bool {
    matches!(message, Message::Notice(Notice::Suffix { .. }))
}

fn is_on_disk(image: &LogImage<u8>, upto: Index) -> bool {
    upto <= image.last().index
}
