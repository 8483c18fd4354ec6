//! Voters and network as one Stateright model.

use std::sync::Arc;

use pehra_core::election::{Claim, Command, Config, Loyalty, Message, Notice, Role, Timer};
use pehra_core::members::NodeSet;
use pehra_core::types::{NodeId, RequestId, Term};
use stateright::{Model, Path, Property};

use super::bounds::{Bounds, MEMBERS, Shape};
use super::diagram;
use super::messages::{ALL, Letter};
use super::properties::{self, broken};
use super::renaming::{Renamings, Steps};
use super::state::{Action, Ghosts, Member, State, TERMS};
use super::steps::{Outcome, What};
use super::words;
use crate::net::Net;
use crate::shared::{Memo, Pool, Shared};

/// A cluster.
#[derive(Clone)]
pub struct World {
    pub(super) bounds: Bounds,
    configs: Vec<Config>,
    pub(super) parts: Arc<Parts>,
    /// States that differ only in the names of voters are one.
    nameless: bool,
}

#[derive(Default)]
pub(super) struct Parts {
    pub(super) members: Pool<Member>,
    nets: Pool<Net>,
    pub(super) steps: Memo<(u8, Shared<Member>, What), Option<Outcome>>,
    pub(super) renamings: Renamings,
    /// Steps that were found to be the same under every renaming.
    same: Memo<(u8, Shared<Member>, What), ()>,
}

impl World {
    /// The world of these bounds.
    ///
    /// # Panics
    /// If it has more members or terms than a state can hold.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let members = bounds.members();
        assert!(usize::from(members) <= MEMBERS && usize::from(bounds.terms + bounds.headroom) <= TERMS);
        let renamings = Renamings::new(u8::try_from(bounds.voters).expect("few voters"));
        // The drawn orders tell voters apart.
        let nameless = bounds.reduced && !bounds.ranks && renamings.keep(&bounds.calms);
        Self {
            configs: (0..members).map(|me| bounds.config(me)).collect(),
            bounds,
            parts: Arc::new(Parts {
                renamings,
                ..Parts::default()
            }),
            nameless,
        }
    }

    /// Its bounds.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What a member is told.
    #[must_use]
    pub fn config(&self, member: u8) -> &Config {
        &self.configs[usize::from(member)]
    }

    pub(super) fn voters(&self) -> u8 {
        u8::try_from(self.bounds.voters).expect("few voters")
    }

    /// What is said to everybody alike is one message, where it does not matter how often it arrives. In a reduced world
    /// some answers come from somebody: a Nack, since whoever hears it does not look from whom, and among three voters what is
    /// said to somebody who asks first, since one such answer is enough, and nobody looks from whom it was.
    pub(super) fn address(&self, state: &State, letter: Letter) -> Letter {
        if self.bounds.reduced && state.calm.is_none() {
            match letter.message {
                Message::Claim(Claim::Nack { .. }) => return Letter { from: ALL, ..letter },
                Message::Notice(Notice::PreVoted { .. }) if self.bounds.voters <= 3 => {
                    return Letter { from: ALL, ..letter };
                }
                _ => {}
            }
        }
        let same_for_all = matches!(
            letter.message,
            Message::Notice(Notice::PreVote { .. } | Notice::Heartbeat { .. } | Notice::Resign { .. })
                | Message::Claim(Claim::Vote { .. })
        );
        if same_for_all && self.bounds.calms.is_empty() {
            Letter { to: ALL, ..letter }
        } else {
            letter
        }
    }

    pub(super) fn receivers(&self, letter: &Letter) -> std::ops::Range<u8> {
        if letter.to == ALL {
            0..self.bounds.members()
        } else {
            letter.to..letter.to + 1
        }
    }

    /// All that could happen now, before asking whether it would change anything.
    fn candidates(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        for word in state.net.iter() {
            let letter = Letter::unpack(word);
            for to in self.receivers(&letter) {
                let carried = state.calm.is_none_or(|shape| shape.carries(letter.from, to));
                if to != letter.from && carried {
                    actions.push(Action::Deliver(word, to));
                }
            }
        }
        let quiet = state.calm.is_none_or(|shape| self.is_quiet(state, shape));
        for member in 0..bounds.members() {
            if state.calm == Some(Shape::Without(member)) {
                continue;
            }
            let site = &state.members[usize::from(member)];
            if !site.disk.is_empty() {
                actions.push(Action::Durable(member));
            }
            if site.unreported > 0 {
                actions.push(Action::Reported(member));
            }
            for timer in &site.timers {
                if quiet && self.may_fire(state, member, *timer) {
                    actions.push(Action::Fire(member, *timer));
                }
            }
            if state.calm.is_some() {
                continue;
            }
            let [crashes, wipes, transfers, hints, questions, resigns, _] = state.left;
            let leads = state.leads(member);
            for (possible, action) in [
                (crashes > 0, Action::Crash(member)),
                (wipes > 0, Action::Wipe(member)),
                (transfers > 0 && leads && bounds.ranks, Action::Transfer(member, None)),
                (
                    hints > 0 && matches!(site.node.state().loyalty(), Loyalty::To(_)),
                    Action::Hint(member),
                ),
                (questions > 0 && leads, Action::Ask(member)),
                (resigns > 0 && leads, Action::Resign(member)),
            ] {
                if possible {
                    actions.push(action);
                }
            }
            if transfers > 0 && leads {
                let others = (0..u8::try_from(bounds.voters).expect("few")).filter(|other| *other != member);
                actions.extend(others.map(|to| Action::Transfer(member, Some(to))));
            }
        }
        if state.calm.is_none() {
            actions.extend(bounds.calms.iter().copied().map(Action::Calm));
        }
    }

    /// Before the calm a timer may go off whenever it is armed; then waits are longer than messages and disks take.
    fn may_fire(&self, state: &State, member: u8, timer: Timer) -> bool {
        let bounds = &self.bounds;
        match (timer, state.calm) {
            (Timer::Write, _) => state.calm.is_none() && state.left[6] > 0,
            (Timer::Lease(_) | Timer::Tenure | Timer::Quarantine, _) => false,
            (Timer::Election, None) => {
                let node = &state.members[usize::from(member)].node;
                let follows = matches!(node.state().loyalty(), Loyalty::To(_));
                !(bounds.timely && follows && node.open_commits() > 0 && !node.state().health().late)
            }
            (Timer::Peer(_), None) => bounds.check_quorum,
            (Timer::Peer(NodeId(peer)), Some(shape)) => !shape.links(member, u8::try_from(peer).expect("few members")),
            // Whoever follows a leader that goes on speaking to it hears it in time.
            (Timer::Election, Some(shape)) => match state.members[usize::from(member)].node.state().loyalty() {
                Loyalty::To(NodeId(leader)) => {
                    let leader = u8::try_from(leader).expect("few members");
                    !(state.leads(leader) && shape.links(member, leader))
                }
                Loyalty::Free | Loyalty::Unknown => true,
            },
            (Timer::Heartbeat | Timer::HandOver, _) => true,
        }
    }

    /// Nothing is owed: no disk works, and no answer is under way that could arrive.
    fn is_quiet(&self, state: &State, shape: Shape) -> bool {
        let disks = (0..self.bounds.members()).filter(|member| shape != Shape::Without(*member));
        let mut disks = disks.map(|member| &state.members[usize::from(member)]);
        let carried = |word| {
            let letter = Letter::unpack(word);
            shape.carries(letter.from, letter.to)
        };
        disks.all(|site| site.disk.is_empty() && site.unreported == 0) && !state.net.owes(carried)
    }

    fn apply(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let mut net = Net::clone(&before.net);
        let spend = |left: &mut u8| *left -= 1;
        let request = RequestId((self.bounds.questions - before.left[4]).into());
        let (member, what) = match action {
            Action::Deliver(word, to) => {
                if state.calm.is_some() {
                    net.take(word);
                }
                (to, What::Hear(word))
            }
            Action::Durable(member) => (member, What::Durable),
            Action::Reported(member) => (member, What::Reported),
            Action::Fire(member, timer) => {
                if timer == Timer::Write {
                    spend(&mut state.left[6]);
                }
                (member, What::Fire(timer))
            }
            Action::Crash(member) => {
                spend(&mut state.left[0]);
                (member, What::Crash)
            }
            Action::Wipe(member) => {
                spend(&mut state.left[1]);
                (member, What::Wipe)
            }
            Action::Transfer(member, to) => {
                spend(&mut state.left[2]);
                let to = to.map(|to| NodeId(to.into()));
                (member, What::Command(request, Command::Transfer(to)))
            }
            Action::Hint(member) => {
                spend(&mut state.left[3]);
                (member, What::Hint)
            }
            Action::Ask(member) => {
                spend(&mut state.left[4]);
                state.ghosts.floor = state.ghosts.highest();
                (member, What::Command(request, Command::Confirm))
            }
            Action::Resign(member) => {
                spend(&mut state.left[5]);
                (member, What::Command(request, Command::Resign))
            }
            Action::Calm(shape) => {
                // What is under way is lost, and nothing is repeated from here on. That hides no behaviour: before the
                // calm messages come late and again as they like, so whatever a last straggler may do, it has done in a
                // run that calms down later.
                state.calm = Some(shape);
                state.net = self.parts.nets.share(Net::default());
                if self.bounds.reduced {
                    // Nothing of it can be spent once calm.
                    state.left = [0; 7];
                }
                return Some(self.represent(state));
            }
        };
        if self.nameless && state.calm.is_none() {
            let step = (member, before.members[usize::from(member)], what);
            let same = |_: &_| self.parts.renamings.same(self, step.0, step.1, step.2);
            self.parts.same.answer(step, same);
        }
        let outcome = self.step(member, before.members[usize::from(member)], what)?;
        let at_most = self.bounds.terms + if state.calm.is_some() { self.bounds.headroom } else { 0 };
        let entered = outcome.member.node.state();
        let asks = u64::from(matches!(entered.role(), Role::PreCandidate { .. }));
        if entered.term().0 + asks > at_most.into() {
            return None;
        }
        state.members[usize::from(member)] = outcome.member;
        let first = state.members[0];
        state.members[usize::from(self.bounds.members())..].fill(first);
        for letter in &outcome.sent {
            let reaches = |shape: Shape| shape.carries(letter.from, letter.to);
            if state.calm.is_none_or(reaches) {
                net.send(self.address(&state, *letter).pack());
            }
        }
        self.settle(&state, &mut net);
        state.net = self.parts.nets.share(net);
        self.remember(before, member, outcome, &mut state);
        if state.calm.is_some() {
            return Some(state);
        }
        // With one crash or hint less and nothing else changed, less can follow than without it.
        let wasted = self.bounds.reduced && {
            let Ghosts { broken, .. } = state.ghosts;
            let spent = state.left;
            state.left = before.left;
            let same = state == *before && broken == before.ghosts.broken;
            state.left = spent;
            same
        };
        (!wasted).then(|| self.represent(state))
    }

    /// The state that stands for all that differ from this one only in names.
    fn represent(&self, mut state: State) -> State {
        if self.nameless
            && let Some(net) = self.parts.renamings.represent(self, self.bounds.members(), &mut state)
        {
            state.net = self.parts.nets.share(net);
        }
        state
    }

    /// Writes down what the properties need to know.
    fn remember(&self, before: &State, member: u8, outcome: &Outcome, state: &mut State) {
        let (led, leads) = (before.leads(member), state.leads(member));
        let term = state.term(member);
        let backed = self.is_backed(state, member);
        let ghosts = &mut state.ghosts;
        ghosts.broken |= outcome.broken;
        ghosts.handed_over |= outcome.handed_over;
        if let Some(confirmed) = outcome.confirmed {
            ghosts.answered = true;
            if confirmed.0 < ghosts.floor.into() {
                ghosts.broken |= broken::CONFIRMED_WRONGLY;
            }
        }
        if leads && !(led && before.term(member) == term) {
            let place = usize::try_from(term).expect("few terms") - 1;
            if ghosts.won[place] != 0 {
                ghosts.broken |= broken::TWO_LEADERSHIPS;
            }
            if !backed {
                ghosts.broken |= broken::UNBACKED;
            }
            if self.bounds.reduced {
                // Only whether it was won counts.
                ghosts.won[place] = 1;
            } else {
                ghosts.late_win |= ghosts.won[place + 1..].iter().any(|winner| *winner != 0);
                ghosts.won[place] = member + 1;
            }
        }
        if self.bounds.reduced && self.bounds.wipes == 0 && self.bounds.questions == 0 {
            self.forget_wins(state);
        }
    }

    /// That a term was won need not be known once nobody can win it again: everybody has it on disk, so whoever stands from
    /// now on does so in a later one, and nobody stands in it.
    fn forget_wins(&self, state: &mut State) {
        for place in 0..TERMS {
            let term = Term(u64::try_from(place + 1).expect("few terms"));
            let past = |voter: u8| state.durable(voter).0 >= term && state.stands(voter, term).is_none();
            if state.ghosts.won[place] != 0 && (0..self.voters()).all(past) {
                state.ghosts.won[place] = 0;
            }
        }
    }

    /// Whether a majority of the voters has its vote for this member on disk, or has gone on to a higher term since.
    fn is_backed(&self, state: &State, member: u8) -> bool {
        let term = state.term(member);
        let voters = NodeSet::first(self.bounds.voters);
        let behind = |voter: &NodeId| {
            let hard = state.members[usize::from(voter.0)].image.hard;
            let lost = state.members[usize::from(voter.0)].image.lost;
            let votes = hard.is_some_and(|hard| {
                hard.term.0 > term || (hard.term.0 == term && hard.vote == Some(NodeId(member.into())))
            });
            lost || votes
        };
        voters.iter().filter(behind).collect::<NodeSet>().is_majority_of(voters)
    }

    fn start(&self) -> State {
        let mut members = [Steps::start(self, 0); MEMBERS];
        for index in 0..self.bounds.members() {
            let member = Steps::start(self, index);
            self.parts.renamings.started(index, member);
            members[usize::from(index)] = member;
        }
        let bounds = &self.bounds;
        let state = State {
            members,
            net: self.parts.nets.share(Net::default()),
            left: [
                bounds.crashes,
                bounds.wipes,
                bounds.transfers,
                bounds.hints,
                bounds.questions,
                bounds.resigns,
                bounds.late_writes,
            ],
            calm: if bounds.outage.is_empty() {
                None
            } else {
                bounds.calms.first().copied()
            },
            ghosts: Ghosts::default(),
        };
        self.represent(state)
    }
}

impl Ghosts {
    /// The highest term that anybody has won.
    fn highest(&self) -> u8 {
        let highest = self.won.iter().rposition(|winner| *winner != 0);
        highest.map_or(0, |place| u8::try_from(place + 1).expect("few terms"))
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.candidates(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.apply(state, action).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn format_action(&self, action: &Action) -> String {
        words::action(action)
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        Some(diagram::svg(self.bounds.members(), &path.into_vec()))
    }
}
