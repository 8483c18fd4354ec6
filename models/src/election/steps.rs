//! What the deployed code makes of one member with one input: computed once, and remembered.

use std::hash::BuildHasher;

use pehra_core::election::{Command, Event, HardImage, Loyalty, Message, Notice, Report, Timer, Why};
use pehra_core::members::Order;
use pehra_core::protocol::Input;
use pehra_core::types::{NodeId, RequestId, Term};

use super::messages::{ALL, Letter};
use super::properties::broken;
use super::renaming::Steps;
use super::state::{Member, State};
use super::world::World;
use crate::shared::Shared;
use crate::site::{Nonces, Said, Site};

/// What is done to one member.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Hear(u32),
    Durable,
    Reported,
    Fire(Timer),
    Crash,
    Wipe,
    Command(RequestId, Command),
    Hint,
}

/// What a step makes of a member.
pub(super) struct Outcome {
    pub(super) member: Shared<Member>,
    pub(super) sent: Vec<Letter>,
    /// What the step alone shows to be broken.
    pub(super) broken: u16,
    pub(super) confirmed: Option<Term>,
    pub(super) handed_over: bool,
}

impl Outcome {
    /// What it shows.
    pub(super) const fn shows(&self) -> (u16, Option<Term>, bool) {
        (self.broken, self.confirmed, self.handed_over)
    }

    /// Whether nobody else learns of it.
    pub(super) fn is_silent(&self) -> bool {
        self.sent.is_empty() && self.shows() == (0, None, false)
    }
}

/// Orders of successors: every term begins with another one.
pub(crate) struct Orders {
    pub(crate) voters: u16,
    pub(crate) drawn: bool,
}

impl Nonces for Orders {
    fn draw(&mut self) -> Option<u64> {
        None
    }

    fn order(&mut self, term: Term) -> Option<Order> {
        let first = u16::try_from(term.0).expect("few terms");
        let place = |step| NodeId((first + step) % self.voters);
        self.drawn.then(|| Order::new((0..self.voters).map(place)))
    }
}

impl World {
    const fn orders(&self) -> Orders {
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
        let orders = &mut self.orders();
        let mut site = Member::clone(&before);
        let mut said = Vec::new();
        let taken = match what {
            What::Hear(word) => {
                let Letter { from, message, .. } = Letter::unpack(word);
                let from = if from == ALL { u8::from(index == 0) } else { from };
                let from = NodeId(from.into());
                site.feed(config, Input::Received { from, message }, orders, &mut said)
            }
            What::Durable => site.make_durable(),
            What::Reported => site.report(config, orders, &mut said),
            What::Fire(timer) => site.feed(config, Input::Fired(timer), orders, &mut said),
            What::Crash => {
                site.crash(config, orders, &mut said);
                true
            }
            What::Wipe => {
                let image = HardImage { hard: None, lost: true };
                site = Site::start_behind(self.bounds.gate, config, image, orders, &mut said);
                true
            }
            What::Command(request, command) => site.feed(config, Input::Commanded(request, command), orders, &mut said),
            What::Hint => {
                let Loyalty::To(peer) = site.node.state().loyalty() else {
                    return None;
                };
                site.feed(config, Input::Link { peer, up: false }, orders, &mut said)
            }
        };
        while !self.bounds.split && site.report(config, orders, &mut said) {}
        taken.then(|| {
            let outcome = self.outcome(index, &before, what, site, said);
            self.parts.renamings.came(index, before, what, outcome.member);
            outcome
        })
    }

    fn outcome(
        &self,
        index: u8,
        before: &Member,
        what: What,
        site: Member,
        said: Vec<Said<pehra_core::election::Election<()>>>,
    ) -> Outcome {
        let mut outcome = Outcome {
            broken: broken::of_step(before, &site, matches!(what, What::Wipe)),
            member: self.parts.members.share(site),
            sent: Vec::new(),
            confirmed: None,
            handed_over: false,
        };
        let site = &outcome.member;
        let mut flags = 0;
        if let What::Hear(word) = what {
            flags |= broken::of_hearing(before, site, &Letter::unpack(word));
        }
        if self.bounds.pre_vote {
            let heard = match what {
                What::Hear(word) => Some(Letter::unpack(word)),
                _ => None,
            };
            flags |= broken::of_standing(before, site, heard, self.config(index).voters);
        }
        let mut sent = Vec::new();
        for one in said {
            let (to, message): (NodeId, Message<()>) = match one {
                Said::Notice(to, notice) => {
                    let would = matches!(notice, Notice::PreVoted { .. });
                    if would && matches!(before.node.state().loyalty(), Loyalty::To(_)) {
                        flags |= broken::PRE_VOTED_AGAINST_LEADER;
                    }
                    (to, notice.into())
                }
                Said::Claim(to, claim) => {
                    flags |= broken::of_claim(site, to, &claim);
                    (to, claim.into())
                }
                Said::Event(Event::Confirmed { term, .. }) => {
                    outcome.confirmed = Some(term);
                    continue;
                }
                Said::Report(Report::StoppedLeading {
                    why: Why::HandedOver, ..
                }) => {
                    outcome.handed_over = true;
                    continue;
                }
                Said::Event(_) | Said::Report(_) | Said::Armed(..) => continue,
            };
            let to = u8::try_from(to.0).expect("few members");
            sent.push(Letter {
                from: index,
                to,
                message,
            });
        }
        outcome.broken |= flags;
        outcome.sent = sent;
        outcome
    }

    /// What is left of the members of a state without their names and without what waits behind their gates: a reduced world
    /// must show exactly what the whole one shows.
    #[must_use]
    pub fn look(&self, state: &State) -> Vec<u64> {
        let seen = |member: Shared<Member>| {
            let Site {
                node,
                image,
                disk,
                unreported,
                timers,
                ..
            } = &*member;
            let shown = (node.state(), node.open_commits(), image, disk, unreported, timers);
            foldhash::fast::FixedState::with_seed(0).hash_one(shown)
        };
        let members = &state.members[..usize::from(self.bounds.members())];
        if self.bounds.ranks {
            return members.iter().map(|member| seen(*member)).collect();
        }
        self.parts.renamings.least(self, members, seen)
    }
}

impl Steps for World {
    fn start(&self, index: u8) -> Shared<Member> {
        let mut said = Vec::new();
        let (gate, config) = (self.bounds.gate, self.config(index));
        let site = Site::start_behind(gate, config, self.bounds.image(index), &mut self.orders(), &mut said);
        self.parts.members.share(site)
    }

    fn step(&self, index: u8, member: Shared<Member>, what: What) -> Option<&'static Outcome> {
        Self::step(self, index, member, what)
    }
}
