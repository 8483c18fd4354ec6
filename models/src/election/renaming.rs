//! Voters are interchangeable: states that differ only in who is called what are one state.
//!
//! A renaming turns a state into another that can do exactly the same, with the names exchanged, if the code treats all
//! voters alike. It compares ids and walks through sets of them, and gives no id a meaning of its own; only the drawn
//! orders do, so worlds that draw them ([`super::Bounds::ranks`]) are walked as they are. Nobody has to believe that:
//!
//! * A member is renamed by its history. It came out of a step, so its image under a renaming is what the deployed code
//!   makes of the renamed member before that step with the renamed input. No field is touched from outside.
//! * For every step that a walk takes, [`Renamings::same`] compares what came of it with what comes of it under every
//!   renaming; a difference ends the walk with a panic.
//!
//! So from each state one can go to the images of exactly those states to which its images go, and the properties name
//! nobody: whatever breaks one does so in an image of a state that was visited.
//!
//! Liveness: what comes before the calm only decides in which states it may begin. A run from an image of such a state
//! is the image of a run, fair if that one is; so names may be exchanged up to and with the moment of the calm. After it
//! nothing is renamed, since who it is that must act again and again is then the very question.

use std::cmp::Ordering;

use pehra_core::election::{Command, Timer};
use pehra_core::types::NodeId;

use super::bounds::{MEMBERS, Shape};
use super::messages::ALL;
use super::state::{Member, State};
use super::steps::{Outcome, What};
use crate::net::Net;
use crate::shared::{Memo, Shared};

/// Who gets which name; observers and "to all" keep theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Renaming([u8; 8]);

impl Renaming {
    pub(super) const fn name(&self, old: u8) -> u8 {
        self.0[old as usize]
    }

    fn node(&self, node: NodeId) -> NodeId {
        NodeId(self.name(u8::try_from(node.0).expect("few members")).into())
    }

    /// Sender and receiver are the lowest bits of a packed message.
    fn letter(&self, word: u32) -> u32 {
        let name = |at: u32| u32::from(self.0[(word >> at & 7) as usize]) << at;
        word & !0o77 | name(0) | name(3)
    }

    fn what(&self, what: What) -> What {
        match what {
            What::Hear(word) => What::Hear(self.letter(word)),
            What::Fire(Timer::Peer(peer)) => What::Fire(Timer::Peer(self.node(peer))),
            What::Command(request, Command::Transfer(Some(to))) => {
                What::Command(request, Command::Transfer(Some(self.node(to))))
            }
            What::Durable
            | What::Reported
            | What::Fire(_)
            | What::Crash
            | What::Wipe
            | What::Command(..)
            | What::Hint => what,
        }
    }

    fn shape(&self, shape: Shape) -> Shape {
        match shape {
            Shape::All => Shape::All,
            Shape::Without(member) => Shape::Without(self.name(member)),
            Shape::Hub(member) => Shape::Hub(self.name(member)),
            Shape::Deaf(member) => Shape::Deaf(self.name(member)),
        }
    }

    fn net(&self, net: &Net) -> Net {
        let mut net = net.clone();
        net.map(|word| self.letter(word));
        net
    }
}

/// Where a member came from.
#[derive(Clone, Copy)]
enum Origin {
    Started,
    Step(Shared<Member>, What),
}

/// A member under each renaming.
struct Images {
    images: Vec<Shared<Member>>,
    /// The same for a member and all its images.
    kind: u64,
}

/// All renamings of the voters, and what they make of the members met so far.
#[derive(Default)]
pub(super) struct Renamings {
    voters: u8,
    all: Vec<Renaming>,
    /// Where in `all` the renaming with these names is, three bits for each.
    by_code: Vec<u8>,
    /// For each set of places that are like the place before: the renamings of places that keep the order of kinds.
    within: Vec<Vec<Renaming>>,
    origins: Memo<(u8, Shared<Member>), Origin>,
    images: Memo<(u8, Shared<Member>), Images>,
}

/// The deployed code: what a step makes of a member.
pub(super) trait Steps {
    fn start(&self, index: u8) -> Shared<Member>;
    fn step(&self, index: u8, member: Shared<Member>, what: What) -> Option<&'static Outcome>;
}

impl Renamings {
    /// Of so many voters.
    pub(super) fn new(voters: u8) -> Self {
        let mut all = vec![vec![]];
        for voter in 0..voters {
            let insert = |order: &Vec<u8>| {
                let order = order.clone();
                (0..=order.len()).map(move |at| {
                    let mut order = order.clone();
                    order.insert(at, voter);
                    order
                })
            };
            all = all.iter().flat_map(insert).collect();
        }
        let names = |order: Vec<u8>| {
            let mut names = [0, 1, 2, 3, 4, 5, 6, ALL];
            names[..order.len()].copy_from_slice(&order);
            Renaming(names)
        };
        let all: Vec<Renaming> = all.into_iter().map(names).collect();
        let mut by_code = vec![u8::MAX; 1 << (3 * voters)];
        for (at, renaming) in (0..).zip(&all) {
            let code = (0..voters).fold(0, |code, voter| code | usize::from(renaming.name(voter)) << (3 * voter));
            by_code[code] = at;
        }
        let within = |ties: usize| {
            let group = |place: u8| (1..=place).filter(|at| ties >> at & 1 == 0).count();
            let keeps = |renaming: &&Renaming| (0..voters).all(|place| group(place) == group(renaming.name(place)));
            all.iter().filter(keeps).copied().collect()
        };
        let within = (0..1 << voters).map(within).collect();
        Self {
            voters,
            by_code,
            within,
            all,
            origins: Memo::default(),
            images: Memo::default(),
        }
    }

    /// Whether every renaming makes one of these shapes out of each.
    pub(super) fn keep(&self, shapes: &[Shape]) -> bool {
        let kept = |renaming: &Renaming| shapes.iter().all(|shape| shapes.contains(&renaming.shape(*shape)));
        self.all.iter().all(kept)
    }

    /// A member that has just started.
    pub(super) fn started(&self, index: u8, member: Shared<Member>) {
        self.origins.answer((index, member), |_| Origin::Started);
    }

    /// Takes note of where a member came from. Any way is as good as another.
    pub(super) fn came(&self, index: u8, before: Shared<Member>, what: What, after: Shared<Member>) {
        self.origins.answer((index, after), |_| Origin::Step(before, what));
    }

    /// Looks whether a step that the walk takes is the same under every renaming.
    ///
    /// # Panics
    /// If it is not: then voters are not interchangeable.
    pub(super) fn same(&self, steps: &impl Steps, index: u8, before: Shared<Member>, what: What) {
        let outcome = steps.step(index, before, what);
        let before = self.images(steps, index, before);
        let after = outcome.map(|outcome| (outcome, self.images(steps, index, outcome.member)));
        for ((at, renaming), image) in self.all.iter().enumerate().zip(&before.images) {
            let other = steps.step(renaming.name(index), *image, renaming.what(what));
            let same = match (&after, other) {
                (None, None) => true,
                (Some((outcome, after)), Some(other)) => {
                    other.member == after.images[at]
                        && renamed(outcome, renaming).eq(&sent(other))
                        && outcome.shows() == other.shows()
                }
                _ => false,
            };
            assert!(
                same,
                "voters are not interchangeable: {renaming:?} changes what {index} makes of a step"
            );
        }
    }

    /// The least of what all renamings show of these members, each seen as a number.
    pub(super) fn least(
        &self,
        steps: &impl Steps,
        members: &[Shared<Member>],
        seen: impl Fn(Shared<Member>) -> u64,
    ) -> Vec<u64> {
        let named = |(at, renaming): (usize, &Renaming)| {
            let mut shown = vec![0; members.len()];
            for (index, member) in (0..).zip(members) {
                shown[usize::from(renaming.name(index))] = seen(self.images(steps, index, *member).images[at]);
            }
            shown
        };
        let shown = self.all.iter().enumerate().map(named);
        shown.min().expect("to keep the names is one way")
    }

    fn images(&self, steps: &impl Steps, index: u8, member: Shared<Member>) -> &'static Images {
        self.images.answer((index, member), |_| {
            let mut known = None;
            let origin = *self
                .origins
                .answer((index, member), |_| unreachable!("each member has come from somewhere"));
            let images: Vec<_> = match origin {
                Origin::Started => self
                    .all
                    .iter()
                    .map(|renaming| steps.start(renaming.name(index)))
                    .collect(),
                Origin::Step(before, what) => {
                    let before = self.images(steps, index, before);
                    let step = |(renaming, before): (&Renaming, &Shared<Member>)| {
                        let (index, what) = (renaming.name(index), renaming.what(what));
                        let outcome = steps.step(index, *before, what);
                        outcome
                            .expect("voters are not interchangeable: a step is not taken")
                            .member
                    };
                    self.all.iter().zip(&before.images).map(step).collect()
                }
            };
            for (renaming, image) in self.all.iter().zip(&images) {
                // The observers keep their names, so what their images are called does not differ.
                let kind = image.rank() ^ u64::from(renaming.name(index)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                known = Some(known.map_or(kind, |known: u64| known.min(kind)));
            }
            Images {
                images,
                kind: known.expect("there is a renaming"),
            }
        })
    }

    /// The one of all renamed states that stands for all of them.
    pub(super) fn represent(&self, steps: &impl Steps, members: u8, state: &mut State) -> Option<Net> {
        let mut images: [Option<&'static Images>; MEMBERS] = [None; MEMBERS];
        for (index, member) in (0..members).zip(&state.members) {
            images[usize::from(index)] = Some(self.images(steps, index, *member));
        }
        let images = |index: u8| images[usize::from(index)].expect("just filled");
        // Names go by kind; only those of one kind are tried in every order.
        let mut order = [0, 1, 2, 3, 4];
        let order = &mut order[..usize::from(self.voters)];
        order.sort_unstable_by_key(|index| images(*index).kind);
        let tie = |at: &usize| images(order[*at]).kind == images(order[*at - 1]).kind;
        let ties = (1..order.len()).filter(tie).fold(0, |ties, at| ties | 1 << at);
        let mut best: Option<Candidate> = None;
        for places in &self.within[ties] {
            let mut code = 0;
            for (place, index) in order.iter().enumerate() {
                code |= usize::from(places.name(u8::try_from(place).expect("few voters"))) << (3 * index);
            }
            let at = usize::from(self.by_code[code]);
            let renaming = &self.all[at];
            let mut named = state.members;
            for index in 0..members {
                named[usize::from(renaming.name(index))] = images(index).images[at];
            }
            let candidate = Candidate {
                at,
                ranks: named.map(Shared::rank),
                named,
                net: None,
            };
            best = Some(match best {
                None => candidate,
                Some(best) => self.lower(state, members, best, candidate),
            });
        }
        let best = best.expect("to keep the names is one way");
        let renaming = &self.all[best.at];
        state.members = best.named;
        state.members[usize::from(members)..].fill(best.named[0]);
        state.calm = state.calm.map(|shape| renaming.shape(shape));
        Some(best.net.unwrap_or_else(|| renaming.net(&state.net)))
    }

    fn lower(&self, state: &State, members: u8, mut one: Candidate, mut other: Candidate) -> Candidate {
        let members = usize::from(members);
        let mut order = one.ranks[..members].cmp(&other.ranks[..members]);
        if order == Ordering::Equal {
            let shape = |candidate: &Candidate| state.calm.map(|shape| self.all[candidate.at].shape(shape));
            let net = |candidate: &mut Candidate| {
                let net = candidate.net.take();
                candidate.net = Some(net.unwrap_or_else(|| self.all[candidate.at].net(&state.net)));
            };
            net(&mut one);
            net(&mut other);
            order = (shape(&one), &one.net).cmp(&(shape(&other), &other.net));
        }
        if order == Ordering::Greater { other } else { one }
    }
}

struct Candidate {
    at: usize,
    ranks: [u64; MEMBERS],
    named: [Shared<Member>; MEMBERS],
    net: Option<Net>,
}

fn sent(outcome: &Outcome) -> Vec<u32> {
    let mut words: Vec<u32> = outcome.sent.iter().map(super::messages::Letter::pack).collect();
    words.sort_unstable();
    words
}

fn renamed(outcome: &Outcome, renaming: &Renaming) -> Vec<u32> {
    let mut words: Vec<u32> = sent(outcome).into_iter().map(|word| renaming.letter(word)).collect();
    words.sort_unstable();
    words
}
