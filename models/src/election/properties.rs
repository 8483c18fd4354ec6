//! What must hold in every state.

use pehra_core::election::Role;
use stateright::Property;

use super::state::State;
use super::world::World;

/// At most one leadership, of whatever member and in whatever life of it.
pub const I1: &str = "election/I1 one leadership a term";
/// On disk; and no claim names a higher one.
pub const I2: &str = "election/I2 durable terms never fall, and are at least those of the claims that left";
/// On disk a vote never changes within its term, and no vote leaves that is not on disk.
pub const I3: &str = "election/I3 one vote a term";
/// Looked at in the moment of winning.
pub const I4: &str = "election/I4 a leadership rests on durable votes of a majority";
/// No commit comes of it.
pub const I7: &str = "election/I7 a pre-vote writes nothing";
/// Nobody with a higher term had won when the question was asked.
pub const Q1: &str = "election/Q1 who leads is answered only by whoever led then";
/// KAFKA-20895.
pub const R8: &str = "election/R8 a resignation frees whoever hears it";

/// With pre-vote on: whoever stands has counted answers of a majority, unless its leader hands over.
pub const R5: &str = "election/R5 nobody stands without a majority that would vote";
/// braft 154, RATIS-993.
pub const R3: &str = "election/R3 no pre-vote while a leader is heard";

/// What single steps can break, as bits of a ghost.
pub mod broken {
    use pehra_core::election::{Claim, Loyalty, Message, Notice, Role};
    use pehra_core::members::NodeSet;
    use pehra_core::types::{NodeId, Term};

    use crate::election::messages::{ALL, Letter};
    use crate::election::state::Member;

    /// A term was won twice.
    pub const TWO_LEADERSHIPS: u16 = 1;
    /// A durable term fell, or a claim named a term that is not durable.
    pub const TERM_FELL: u16 = 2;
    /// A durable vote changed, or a vote left that is not durable.
    pub const VOTE_CHANGED: u16 = 4;
    /// A leadership without durable votes of a majority.
    pub const UNBACKED: u16 = 8;
    /// A pre-vote caused a write.
    pub const PRE_VOTE_WRITES: u16 = 16;
    /// A deposed leader was confirmed.
    pub const CONFIRMED_WRONGLY: u16 = 32;
    /// A resignation was heard and changed nothing.
    pub const RESIGN_IGNORED: u16 = 64;

    /// A member stands although it has not counted a majority that would vote for it, and pre-vote is on.
    pub const STOOD_UNASKED: u16 = 128;
    /// A member that had heard a leader would vote for another.
    pub const PRE_VOTED_AGAINST_LEADER: u16 = 256;

    fn durable(member: &Member) -> (Term, Option<NodeId>) {
        member
            .image
            .hard
            .map_or((Term::ZERO, None), |hard| (hard.term, hard.vote))
    }

    /// Of a disk before and after. One that was lost is not held against anybody here.
    pub(in crate::election) fn of_step(before: &Member, after: &Member, lost: bool) -> u16 {
        let (was, is) = (durable(before), durable(after));
        let mut flags = 0;
        if is.0 < was.0 && !lost {
            flags |= TERM_FELL;
        }
        if is.0 == was.0 && was.1.is_some() && is.1 != was.1 {
            flags |= VOTE_CHANGED;
        }
        flags
    }

    /// Of a claim that leaves.
    pub(in crate::election) fn of_claim(member: &Member, to: NodeId, claim: &Claim<()>) -> u16 {
        let (term, vote) = durable(member);
        let says = crate::election::messages::term_of(&Message::Claim(*claim));
        match claim {
            Claim::Voted { .. } if term < says || (term == says && vote != Some(to)) => VOTE_CHANGED,
            // This names the term that somebody asked about.
            Claim::Behind { .. } => 0,
            _ if term < says => TERM_FELL,
            _ => 0,
        }
    }

    /// Of a member that stands where all ask first.
    pub(in crate::election) fn of_standing(
        before: &Member,
        after: &Member,
        heard: Option<Letter>,
        voters: NodeSet,
    ) -> u16 {
        let (was, is) = (before.node.state(), after.node.state());
        if is.term() == was.term() || !matches!(is.role(), Role::Candidate { .. } | Role::Leader(_)) {
            return 0;
        }
        let would = match was.role() {
            Role::PreCandidate { granted, .. } => *granted,
            _ => NodeSet::EMPTY,
        };
        let asked = match heard.map(|letter| (letter.message, letter.from)) {
            Some((Message::Claim(Claim::Transfer { .. }), _)) => true,
            // From anybody, in a reduced world of three voters: it is one more than itself.
            Some((Message::Notice(Notice::PreVoted { .. }), ALL)) => voters.count() <= 3,
            Some((Message::Notice(Notice::PreVoted { .. }), from)) => {
                would.with(NodeId(from.into())).is_majority_of(voters)
            }
            _ => would.is_majority_of(voters),
        };
        if asked { 0 } else { STOOD_UNASKED }
    }

    /// Of a member that has heard something.
    pub(in crate::election) fn of_hearing(before: &Member, after: &Member, letter: &Letter) -> u16 {
        let from = NodeId(letter.from.into());
        match letter.message {
            Message::Notice(Notice::PreVote { .. }) if after.disk.len() > before.disk.len() => PRE_VOTE_WRITES,
            Message::Notice(Notice::Resign { term })
                if term == before.node.state().term() && after.node.state().loyalty() == Loyalty::To(from) =>
            {
                RESIGN_IGNORED
            }
            _ => 0,
        }
    }
}

pub(super) fn all(world: &World) -> Vec<Property<World>> {
    let bounds = world.bounds();
    let mut all = vec![
        Property::always(I1, |_, state: &State| {
            state.ghosts.broken & broken::TWO_LEADERSHIPS == 0
        }),
        Property::always(I2, |_, state: &State| state.ghosts.broken & broken::TERM_FELL == 0),
        Property::always(I3, |_, state: &State| state.ghosts.broken & broken::VOTE_CHANGED == 0),
        Property::always(I4, |_, state: &State| state.ghosts.broken & broken::UNBACKED == 0),
        Property::always(I7, |_, state: &State| {
            state.ghosts.broken & broken::PRE_VOTE_WRITES == 0
        }),
        Property::always(Q1, |_, state: &State| {
            state.ghosts.broken & broken::CONFIRMED_WRONGLY == 0
        }),
        Property::always(R8, |_, state: &State| state.ghosts.broken & broken::RESIGN_IGNORED == 0),
        Property::always(R5, |_, state: &State| state.ghosts.broken & broken::STOOD_UNASKED == 0),
        Property::always(R3, |_, state: &State| {
            state.ghosts.broken & broken::PRE_VOTED_AGAINST_LEADER == 0
        }),
        Property::always(
            "election/check invariants of all members",
            |world: &World, state: &State| {
                (0..world.bounds().members()).all(|member| {
                    state.members[usize::from(member)]
                        .node
                        .check(world.config(member))
                        .is_ok()
                })
            },
        ),
        Property::sometimes("somebody leads", |world: &World, state: &State| {
            (0..world.bounds().members()).any(|member| state.leads(member))
        }),
    ];
    if bounds.terms > 1 && bounds.voters > 2 && bounds.outage.is_empty() {
        // Two leaders at a time, of different terms: that is why a term is a fencing number, and why one must ask.
        all.push(Property::sometimes(
            "a leader of the past still leads",
            |world: &World, state: &State| {
                (0..world.bounds().members())
                    .filter(|member| state.leads(*member))
                    .count()
                    > 1
            },
        ));
    }
    if bounds.transfers > 0 {
        all.push(Property::sometimes("a hand-over succeeds", |_, state: &State| {
            state.ghosts.handed_over
        }));
    }
    if bounds.questions > 0 {
        all.push(Property::sometimes("a question is answered", |_, state: &State| {
            state.ghosts.answered
        }));
    }
    if bounds.observers > 0 {
        all.push(Property::sometimes(
            "an observer follows",
            |world: &World, state: &State| {
                let last = usize::from(world.bounds().members()) - 1;
                let observer = state.members[last].node.state();
                matches!(observer.role(), Role::Observer)
                    && observer.leader(world.config(world.bounds().members() - 1)).is_some()
            },
        ));
    }
    all
}
