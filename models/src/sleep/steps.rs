//! One step of one member: what the deployed code makes of it, computed once and remembered; and what follows from it around.

use pehra_core::protocol::Input;
use pehra_core::sleep::guard::{Claim, Event, Guard, Message, Report, State as Broker};
use pehra_core::types::NodeId;

use super::net::{Letter, Net};
use super::properties::broken;
use super::renaming::{Draws, FRESH};
use super::state::{Member, Process, State};
use super::world::World;
use crate::kafka::Step;
use crate::shared::Shared;
use crate::site::Said;

/// What is done to one member.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    Feed(Input<Guard>),
    Crash,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) member: Shared<Member>,
    pub(super) said: Vec<Said<Guard>>,
}

impl World {
    /// One step of one member, and what follows from it around.
    pub(super) fn act(&self, state: &mut State, member: u8, what: What) -> Option<()> {
        let at = usize::from(member);
        let before = state.members[at];
        let outcome = self.step(member, before, what.clone())?;
        state.members[at] = outcome.member;
        let input = match &what {
            What::Feed(input) => Some(input),
            What::Crash => None,
        };
        state.broken |= broken::of_step(self, state, member, before.node.state(), input, &outcome.said);
        let mut net = Net::clone(&state.net);
        for said in &outcome.said {
            let around = &mut state.around[at];
            match said {
                Said::Notice(to, notice) => self.send(&mut net, member, *to, (*notice).into(), state.calm),
                Said::Claim(to, claim) => self.send(&mut net, member, *to, (*claim).into(), state.calm),
                Said::Event(Event::Propose(decree)) => around.proposed = Some(*decree),
                Said::Event(Event::Look { gear, awake }) => {
                    (around.look, around.looked_before) = (Some((*gear, *awake)), false);
                }
                Said::Event(Event::Stop) => {
                    around.process = Process::Stopping;
                    self.in_kafka(state, Step::Stop(member));
                    state.broken |= self.of_stop(state);
                }
                // A machine that sleeps takes its broker with it, stopped or not.
                Said::Event(Event::Sleep { .. }) => {
                    self.in_kafka(state, Step::Freeze(member));
                }
                Said::Event(Event::Maintain) => {
                    around.process = Process::Down;
                    let node = NodeId(member.into());
                    if self.bounds.calms && state.visited.contains(node) {
                        state.broken |= broken::L6_ONCE;
                    }
                    if self.bounds.calms {
                        state.visited.insert(node);
                    }
                }
                Said::Report(Report::Start) => around.wanted_up = true,
                Said::Report(Report::Alert { node }) if self.bounds.calms && self.bounds.gone.contains(*node) => {
                    state.paged.insert(*node);
                }
                // Another one leads: the log hands over. Here that is an election like any other.
                Said::Event(Event::Yield) => around.yields = self.bounds.hands_over,
                Said::Event(Event::Watching { .. }) | Said::Report(_) | Said::Armed(..) => {}
            }
        }
        state.net = self.parts.nets.share(net);
        self.looked_before(state, member, before.node.state());
        let (now, around) = (state.guard(member).state(), &mut state.around[at]);
        if matches!(now, Broker::Active | Broker::Waking | Broker::Ringing) {
            around.granted = 0;
        }
        if let Some(Input::Received {
            message: Message::Claim(Claim::Grant { plan, lock, .. }),
            ..
        }) = input
            && *lock == before.node.state().lock()
            && matches!(now, Broker::Draining { .. } | Broker::Maintenance)
        {
            around.granted = u8::try_from(plan.term.0).expect("few terms");
        }
        self.repeat_first(state);
        Some(())
    }

    fn send(&self, net: &mut Net, from: u8, to: NodeId, message: Message, owed: bool) {
        let to = u8::try_from(to.0).expect("few");
        let letter = Letter {
            from,
            to,
            message,
            owed,
        };
        net.send(letter, if owed { 1 } else { self.bounds.letters });
    }

    /// What the deployed code makes of it; nothing if there is no such input for it now.
    pub(super) fn step(&self, index: u8, member: Shared<Member>, what: What) -> Option<&'static Outcome> {
        let compute = |question: &(u8, Shared<Member>, What)| {
            let config = self.config(index);
            let (mut site, mut said, mut draws) = (Member::clone(&member), Vec::new(), Draws(FRESH - 1));
            let taken = match &question.2 {
                What::Feed(input) => site.feed(config, input.clone(), &mut draws, &mut said),
                What::Crash => {
                    site.crash(config, &mut draws, &mut said);
                    true
                }
            };
            taken.then(|| Outcome {
                member: self.parts.members.share(site),
                said,
            })
        };
        self.parts.steps.answer((index, member, what), compute).as_ref()
    }
}
