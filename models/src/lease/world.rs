//! Voters, network and time as one Stateright model.

use std::sync::Arc;

use pehra_core::election::{Claim, Command, Config, Election, Event, HardImage, Loyalty, Message, Notice, Timer};
use pehra_core::protocol::Input;
use pehra_core::types::{Delay, NodeId, RequestId, Term};
use stateright::{Model, Property};

use super::bounds::{Bounds, VOTERS};
use super::properties::{self, broken};
use super::state::{Action, Clock, Member, State};
use super::words;
use crate::election::messages::{ALL, Letter};
use crate::net::Net;
use crate::shared::{Memo, Pool, Shared};
use crate::site::{Said, Site};

/// A cluster.
#[derive(Clone)]
pub struct World {
    bounds: Bounds,
    configs: Vec<Config>,
    parts: Arc<Parts>,
}

#[derive(Default)]
struct Parts {
    members: Pool<Member>,
    nets: Pool<Net>,
    steps: Memo<(u8, Shared<Member>, What), Option<Outcome>>,
}

/// What is done to one member.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Hear(u32),
    Durable,
    Reported,
    Fire(Timer),
    Crash,
    Command(Command),
    Hint,
    Pause,
    Ask,
}

/// What a step makes of a member.
struct Outcome {
    member: Shared<Member>,
    armed: Vec<(Timer, Delay)>,
    sent: Vec<Letter>,
    /// What the step alone shows to be broken.
    broken: u8,
    confirmed: Option<Term>,
}

impl World {
    /// The world of these bounds.
    ///
    /// # Panics
    /// If it has more members than a state can hold.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let members = bounds.members();
        assert!(usize::from(members) <= VOTERS);
        Self {
            configs: (0..members).map(|me| bounds.config(me)).collect(),
            bounds,
            parts: Arc::default(),
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

    fn step(&self, index: u8, member: Shared<Member>, what: What) -> Option<&'static Outcome> {
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
                site.feed(config, Input::Received { from, message }, &mut (), &mut said)
            }
            What::Durable => site.make_durable(),
            What::Reported => site.report(config, &mut (), &mut said),
            What::Fire(timer) => site.feed(config, Input::Fired(timer), &mut (), &mut said),
            What::Crash => {
                site.crash(config, &mut (), &mut said);
                true
            }
            What::Command(command) => site.feed(config, Input::Commanded(RequestId(0), command), &mut (), &mut said),
            What::Hint => {
                let Loyalty::To(peer) = site.node.state().loyalty() else {
                    return None;
                };
                site.feed(config, Input::Link { peer, up: false }, &mut (), &mut said)
            }
            What::Ask => {
                let question = Input::Commanded(RequestId(1), Command::Confirm);
                site.feed(config, question, &mut (), &mut said)
            }
            What::Pause => site.feed(config, Input::Paused, &mut (), &mut said),
        };
        while !self.bounds.split && (site.make_durable() || site.report(config, &mut (), &mut said)) {}
        let broken = match what {
            What::Crash => 0,
            _ => broken::of_step(&before, &site, &said),
        };
        taken.then(|| self.outcome(index, site, said, broken))
    }

    fn outcome(&self, index: u8, site: Member, said: Vec<Said<Election<()>>>, broken: u8) -> Outcome {
        let (mut armed, mut sent, mut confirmed) = (Vec::new(), Vec::new(), None);
        let mut send = |to: NodeId, message: Message<()>| {
            let to = u8::try_from(to.0).expect("few members");
            let same_for_all = matches!(
                message,
                Message::Notice(Notice::Heartbeat { .. } | Notice::Resign { .. }) | Message::Claim(Claim::Vote { .. })
            );
            sent.push(Letter {
                from: index,
                to: if same_for_all { ALL } else { to },
                message,
            });
        };
        for one in said {
            match one {
                Said::Notice(to, notice) => send(to, notice.into()),
                Said::Claim(to, claim) => send(to, claim.into()),
                Said::Armed(timer, after) => armed.push((timer, after)),
                Said::Event(Event::Confirmed { term, .. }) => confirmed = Some(term),
                Said::Event(_) | Said::Report(_) => {}
            }
        }
        Outcome {
            member: self.parts.members.share(site),
            armed,
            sent,
            broken,
            confirmed,
        }
    }

    /// All that could happen now, before asking whether it would change anything.
    fn candidates(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Tick);
        for word in state.net.iter() {
            let letter = Letter::unpack(word);
            let others = self.receivers(&letter).filter(|to| *to != letter.from);
            actions.extend(others.map(|to| Action::Deliver(word, to)));
        }
        let bounds = &self.bounds;
        for member in 0..bounds.members() {
            let site = &state.members[usize::from(member)];
            if !site.disk.is_empty() {
                actions.push(Action::Durable(member));
            }
            if site.unreported > 0 {
                actions.push(Action::Reported(member));
            }
            for timer in &site.timers {
                if self.may_fire(state, member, *timer) {
                    actions.push(Action::Fire(member, *timer));
                }
            }
            let [crashes, transfers, resigns, hints, questions, pauses] = state.left;
            let leads = state.leadership(member).is_some();
            // A driver fires what is due after it has taken the question, and then feeds it.
            let answers = leads && (bounds.questions_first || !state.has_dead_lease(member));
            let follows = matches!(site.node.state().loyalty(), Loyalty::To(_));
            for (possible, action) in [
                (crashes > 0, Action::Crash(member)),
                (resigns > 0 && leads, Action::Resign(member)),
                (hints > 0 && follows, Action::Hint(member)),
                (questions > 0 && answers, Action::Ask(member)),
                (pauses > 0, Action::Pause(member)),
            ] {
                if possible {
                    actions.push(action);
                }
            }
            if transfers > 0 && leads {
                let others = (0..self.bounds.members()).filter(|other| *other != member);
                actions.extend(others.map(|to| Action::Transfer(member, to)));
            }
        }
    }

    /// Promises are kept for their time, and a lease does not end before its own. All else may come at any moment.
    fn may_fire(&self, state: &State, member: u8, timer: Timer) -> bool {
        let clock = &state.clocks[usize::from(member)];
        match timer {
            Timer::Election => clock.election == 0,
            Timer::Quarantine => clock.quarantine == 0,
            Timer::Lease(slot) => {
                let lease = self.bounds.timing.lease;
                let soonest = self.bounds.at_the_latest(lease) - self.bounds.not_before(lease);
                clock.lease[usize::from(slot)] <= soonest
            }
            Timer::Heartbeat | Timer::HandOver => true,
            Timer::Peer(_) | Timer::Tenure | Timer::Write => false,
        }
    }

    fn apply(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let spend = |left: &mut u8| *left -= 1;
        let (member, what) = match action {
            Action::Tick => {
                state.clocks.iter_mut().for_each(Clock::tick);
                return Some(state);
            }
            Action::Deliver(word, to) => (to, What::Hear(word)),
            Action::Durable(member) => (member, What::Durable),
            Action::Reported(member) => (member, What::Reported),
            Action::Fire(member, timer) => (member, What::Fire(timer)),
            Action::Crash(member) => {
                spend(&mut state.left[0]);
                (member, What::Crash)
            }
            Action::Transfer(member, to) => {
                spend(&mut state.left[1]);
                (member, What::Command(Command::Transfer(Some(NodeId(to.into())))))
            }
            Action::Resign(member) => {
                spend(&mut state.left[2]);
                (member, What::Command(Command::Resign))
            }
            Action::Hint(member) => {
                spend(&mut state.left[3]);
                (member, What::Hint)
            }
            Action::Ask(member) => {
                spend(&mut state.left[4]);
                state.floor = state.highest;
                (member, What::Ask)
            }
            Action::Pause(member) => {
                spend(&mut state.left[5]);
                (member, What::Pause)
            }
        };
        let at = usize::from(member);
        let outcome = self.step(member, before.members[at], what)?;
        state.members[at] = outcome.member;
        let rounds = state.leadership(member).map_or(0, pehra_core::election::Leader::round);
        if state.term(member) > self.bounds.terms.into() || rounds > self.bounds.rounds.into() {
            return None;
        }
        let clock = &mut state.clocks[at];
        for (timer, after) in &outcome.armed {
            clock.arm(&self.bounds, *timer, *after);
        }
        clock.keep_armed(&outcome.member.timers);
        state.broken |= outcome.broken;
        if outcome.confirmed.is_some_and(|term| term.0 < state.floor.into()) {
            state.broken |= broken::CONFIRMED_WRONGLY;
        }
        if self.bounds.questions > 0 && state.leadership(member).is_some() {
            state.highest = state.highest.max(u8::try_from(state.term(member)).expect("few terms"));
        }
        self.repeat_first(&mut state);
        let mut net = Net::clone(&before.net);
        for letter in &outcome.sent {
            net.send(letter.pack());
        }
        self.drop_dead(&state, &mut net);
        state.net = self.parts.nets.share(net);
        Some(state)
    }

    /// Places beyond the last member say nothing.
    fn repeat_first(&self, state: &mut State) {
        let members = usize::from(self.bounds.members());
        let (first, clock) = (state.members[0], state.clocks[0]);
        state.members[members..].fill(first);
        state.clocks[members..].fill(clock);
    }

    fn start(&self) -> State {
        let mut clocks = [Clock::default(); VOTERS];
        let mut start = |member: usize| {
            let mut said = Vec::new();
            let site = Site::start(&self.configs[member], HardImage::default(), &mut (), &mut said);
            let outcome = self.outcome(0, site, said, 0);
            for (timer, after) in outcome.armed {
                clocks[member].arm(&self.bounds, timer, after);
            }
            outcome.member
        };
        let mut members = [start(0); VOTERS];
        for at in 1..usize::from(self.bounds.members()) {
            members[at] = start(at);
        }
        let bounds = &self.bounds;
        let mut state = State {
            members,
            clocks,
            net: self.parts.nets.share(Net::default()),
            left: [
                bounds.crashes,
                bounds.transfers,
                bounds.resigns,
                bounds.hints,
                bounds.questions,
                bounds.pauses,
            ],
            highest: 0,
            floor: 0,
            broken: 0,
        };
        self.repeat_first(&mut state);
        if bounds.led { self.elect_first(state) } else { state }
    }

    /// The first member is elected by all, and its first round is under way. What was said before is lost.
    fn elect_first(&self, start: State) -> State {
        let mut state = start;
        let go = |state: &mut State, action| {
            *state = self.apply(state, action).expect("an election without hindrance");
        };
        while state.clocks != [Clock::default(); VOTERS] {
            go(&mut state, Action::Tick);
        }
        for member in 0..self.bounds.members() {
            go(&mut state, Action::Fire(member, Timer::Quarantine));
            if state.members[usize::from(member)].node.state().loyalty() == Loyalty::Unknown {
                go(&mut state, Action::Fire(member, Timer::Election));
            }
        }
        go(&mut state, Action::Fire(0, Timer::Election));
        let settle = |state: &mut State, member: u8| {
            for action in [Action::Durable(member), Action::Reported(member)] {
                if self.bounds.split {
                    go(state, action);
                }
            }
        };
        settle(&mut state, 0);
        for voter in 1..self.bounds.members() {
            let asks = |word: &u32| matches!(Letter::unpack(*word).message, Message::Claim(Claim::Vote { .. }));
            let word = state.net.iter().find(asks).expect("it has asked");
            go(&mut state, Action::Deliver(word, voter));
            settle(&mut state, voter);
        }
        let votes = |word: &u32| matches!(Letter::unpack(*word).message, Message::Claim(Claim::Voted { .. }));
        let word = state.net.iter().find(votes).expect("it was voted for");
        go(&mut state, Action::Deliver(word, 0));
        let mut net = Net::clone(&state.net);
        net.retain(|word| matches!(Letter::unpack(word).message, Message::Notice(Notice::Heartbeat { .. })));
        state.net = self.parts.nets.share(net);
        state
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
}
