//! Members with their logs and a network as one Stateright model.

use std::ops::Range;
use std::sync::Arc;

use pehra_core::election::{self, Loyalty, Role, Timer};
use pehra_core::protocol::Input;
use pehra_core::replication::{Claim, Config, LogId, LogImage, Message, Notice};
use pehra_core::types::NodeId;
use stateright::{Model, Path, Property};

use super::bounds::{Bounds, MEMBERS, PLACES, Shape};
use super::dead::can_matter;
use super::diagram;
use super::ghosts::Ghosts;
use super::messages::{ALL, Letter};
use super::properties::{self, broken};
use super::state::{Action, Member, State};
use super::steps::{Outcome, What};
use super::words;
use crate::net::Net;
use crate::shared::{Memo, Pool, Shared};
use crate::site::Site;

/// A cluster.
#[derive(Clone)]
pub struct World {
    pub(super) bounds: Bounds,
    configs: Vec<Config>,
    pub(super) parts: Arc<Parts>,
}

#[derive(Default)]
pub(super) struct Parts {
    pub(super) members: Pool<Member>,
    nets: Pool<Net>,
    ghosts: Pool<Ghosts>,
    pub(super) steps: Memo<(u8, Shared<Member>, What), Option<Outcome>>,
}

impl World {
    /// The world of these bounds.
    ///
    /// # Panics
    /// If it has more members or entries than a state can hold.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let members = bounds.members();
        let places = usize::from(bounds.terms + bounds.headroom + bounds.proposals);
        assert!(usize::from(members) <= MEMBERS && places <= PLACES && bounds.proposals <= 3);
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

    /// What is said to everybody alike is one message, where it does not matter how often it arrives.
    fn address(&self, letter: Letter) -> Letter {
        let same_for_all = matches!(
            letter.message,
            Message::Notice(Notice::Election(
                election::Notice::PreVote { .. } | election::Notice::Heartbeat { .. }
            )) | Message::Claim(Claim::Election(election::Claim::Vote { .. }))
        );
        if same_for_all && self.bounds.calms.is_empty() {
            Letter { to: ALL, ..letter }
        } else {
            letter
        }
    }

    fn receivers(&self, letter: &Letter) -> Range<u8> {
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
            if !site.fetches.is_empty() {
                actions.push(Action::Answer(member));
            }
            for timer in &site.timers {
                if quiet && self.may_fire(state, member, *timer) {
                    actions.push(Action::Fire(member, *timer));
                }
            }
            if state.calm.is_some() {
                continue;
            }
            let [crashes, proposals, reads, snapshots, _] = state.left;
            let leads = state.leads(member);
            let applied = site.node.state().applied() > site.node.state().log().base().index;
            for (possible, action) in [
                (crashes > 0, Action::Crash(member)),
                (proposals > 0 && leads, Action::Propose(member)),
                (reads > 0 && leads, Action::Read(member)),
                (snapshots > 0 && applied, Action::Snapshot(member)),
            ] {
                if possible {
                    actions.push(action);
                }
            }
        }
        if state.calm.is_none() {
            actions.extend(bounds.calms.iter().copied().map(Action::Calm));
        }
    }

    /// Before the calm a timer may go off whenever it is armed; then waits are longer than messages and disks take.
    fn may_fire(&self, state: &State, member: u8, timer: Timer) -> bool {
        match (timer, state.calm) {
            (Timer::Write | Timer::Lease(_) | Timer::Tenure | Timer::HandOver | Timer::Quarantine, _) => false,
            (Timer::Peer(_), None) => false,
            (Timer::Peer(NodeId(peer)), Some(shape)) => !shape.links(member, u8::try_from(peer).expect("few members")),
            // Whoever follows a leader that goes on speaking to it hears it in time.
            (Timer::Election, Some(shape)) => {
                match state.members[usize::from(member)].node.state().election().loyalty() {
                    Loyalty::To(NodeId(leader)) => {
                        let leader = u8::try_from(leader).expect("few members");
                        !(state.leads(leader) && shape.links(member, leader))
                    }
                    Loyalty::Free | Loyalty::Unknown => true,
                }
            }
            (Timer::Heartbeat, None) => state.left[4] > 0,
            (Timer::Election | Timer::Heartbeat, _) => true,
        }
    }

    /// Nothing is owed: no disk works, and no answer is under way that could arrive.
    fn is_quiet(&self, state: &State, shape: Shape) -> bool {
        let sites = (0..self.bounds.members()).filter(|member| shape != Shape::Without(*member));
        let mut sites = sites.map(|member| &state.members[usize::from(member)]);
        let carried = |word| {
            let letter = Letter::unpack(word);
            shape.carries(letter.from, letter.to)
        };
        sites.all(|site| site.disk.is_empty() && site.unreported == 0 && site.fetches.is_empty())
            && !state.net.owes(carried)
    }

    fn apply(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let mut net = Net::clone(&before.net);
        let mut ghosts = Ghosts::clone(&before.ghosts);
        let (member, what) = match action {
            Action::Deliver(word, to) => {
                if state.calm.is_some() {
                    net.take(word);
                }
                (to, What::Hear(word))
            }
            Action::Durable(member) => (member, What::Durable),
            Action::Reported(member) => (member, What::Reported),
            Action::Answer(member) => (member, What::Answer),
            Action::Fire(member, timer) => {
                if timer == Timer::Heartbeat && state.calm.is_none() {
                    state.left[4] -= 1;
                }
                (member, What::Fire(timer))
            }
            Action::Crash(member) => {
                state.left[0] -= 1;
                (member, What::Crash)
            }
            Action::Propose(member) => {
                let number = self.bounds.proposals - state.left[1] + 1;
                state.left[1] -= 1;
                (member, What::Propose(number))
            }
            Action::Read(member) => {
                state.left[2] -= 1;
                ghosts.floor = ghosts.highest();
                (member, What::Read)
            }
            Action::Snapshot(member) => {
                state.left[3] -= 1;
                (member, What::Snapshot)
            }
            Action::Calm(shape) => {
                // What is under way is lost: see the election's world for why that hides nothing.
                state.calm = Some(shape);
                state.net = self.parts.nets.share(Net::default());
                return Some(state);
            }
        };
        let outcome = self.step(member, before.members[usize::from(member)], what)?;
        let at_most = self.bounds.terms + if state.calm.is_some() { self.bounds.headroom } else { 0 };
        let entered = outcome.member.node.state().election();
        let asks = u64::from(matches!(entered.role(), Role::PreCandidate { .. }));
        let stood = before.term(member) < entered.term().0 && matches!(entered.role(), Role::Candidate { .. });
        if entered.term().0 + asks > at_most.into()
            || (asks > 0 && !self.bounds.may_stand(member, entered.term().0 + 1))
            || (stood && !self.bounds.may_stand(member, entered.term().0))
        {
            return None;
        }
        state.members[usize::from(member)] = outcome.member;
        let first = state.members[0];
        state.members[usize::from(self.bounds.members())..].fill(first);
        for letter in &outcome.sent {
            let reaches = |shape: Shape| shape.carries(letter.from, letter.to);
            if state.calm.is_none_or(reaches) {
                net.send(self.address(*letter).pack());
            }
        }
        self.drop_dead(&state, &mut net);
        state.net = self.parts.nets.share(net);
        self.remember(before, member, outcome, &state, &mut ghosts);
        state.ghosts = self.parts.ghosts.share(ghosts);
        Some(state)
    }

    /// Drops what can change nothing any more, whoever hears it, also after a crash.
    fn drop_dead(&self, state: &State, net: &mut Net) {
        let listens = !self.bounds.calms.is_empty();
        net.retain(|word| {
            let letter = Letter::unpack(word);
            let mut receivers = self.receivers(&letter).filter(|to| *to != letter.from);
            receivers.any(|to| {
                let sites = (
                    &*state.members[usize::from(letter.from)],
                    &*state.members[usize::from(to)],
                );
                can_matter(sites, &letter, to, (listens, state.left[0] == 0, self.bounds.terms))
            })
        });
    }

    /// Writes down what the properties need to know.
    fn remember(&self, before: &State, member: u8, outcome: &Outcome, state: &State, ghosts: &mut Ghosts) {
        let place = usize::from(member);
        let (led, leads) = (before.leads(member), state.leads(member));
        let term = u8::try_from(state.term(member)).expect("few terms");
        ghosts.broken |= outcome.broken;
        ghosts.done = outcome.done;
        for id in &outcome.decided {
            ghosts.decide(*id, term);
            let copies = (0..self.bounds.members())
                .filter(|other| is_held(&state.members[usize::from(*other)].image, *id))
                .count();
            if leads && copies * 2 <= usize::from(self.bounds.voters) {
                ghosts.broken |= broken::DECIDED_EARLY;
            }
        }
        for entry in &outcome.applied {
            ghosts.apply(entry);
        }
        if outcome.readable.is_some_and(|at| at.0 < ghosts.floor.into()) {
            ghosts.broken |= broken::STALE_READ;
        }
        if leads && !(led && before.term(member) == state.term(member)) {
            let log = state.members[place].node.state().log();
            let has = |id: LogId| id.index <= log.base().index || log.holds(id);
            let mut earlier = ghosts.chosen.iter().flatten().filter(|chosen| chosen.term < term);
            if !earlier.all(|chosen| has(chosen.id)) {
                ghosts.broken |= broken::LEADER_LACKS;
            }
        }
        let (was, is) = (&before.members[place].image, &state.members[place].image);
        if was.lacks && !is.lacks {
            let mut earlier = ghosts.chosen.iter().flatten().filter(|chosen| chosen.term < term);
            if !earlier.all(|chosen| is_held(is, chosen.id)) {
                ghosts.broken |= broken::VOTER_LACKS;
            }
        }
        if was.entries != is.entries || was.base != is.base {
            let copies = |id: LogId| {
                let disks = (0..usize::from(self.bounds.members())).map(|other| &state.members[other].image);
                // What a lost disk took with it, nobody can keep: until it says that it has all again it counts as if it had.
                disks.filter(|image| image.lacks || is_held(image, id)).count()
            };
            let few = |id: LogId| copies(id) * 2 <= usize::from(self.bounds.voters);
            if ghosts.chosen.iter().flatten().any(|chosen| few(chosen.id)) {
                ghosts.broken |= broken::DECIDED_CUT;
            }
            let others = (0..self.bounds.members()).filter(|other| *other != member);
            if !others
                .map(usize::from)
                .all(|other| agree(is, &state.members[other].image))
            {
                ghosts.broken |= broken::LOGS_DIFFER;
            }
        }
    }

    /// What was decided before the members began.
    fn history(&self) -> Ghosts {
        let mut ghosts = Ghosts::default();
        for entry in self.bounds.image(0).entries.iter().take(self.bounds.decided.into()) {
            ghosts.decide(entry.id, self.bounds.first_term());
        }
        ghosts
    }

    fn start(&self) -> State {
        let start = |member: u8| {
            let mut said = Vec::new();
            let mut site = Site::start(
                self.config(member),
                self.bounds.image(member),
                &mut self.orders(),
                &mut said,
            );
            // The quarantine of the first start is over: that only lets a member do more.
            site.feed(
                self.config(member),
                Input::Fired(Timer::Election),
                &mut self.orders(),
                &mut said,
            );
            self.parts.members.share(site)
        };
        let mut members = [start(0); MEMBERS];
        for member in 0..self.bounds.members() {
            members[usize::from(member)] = start(member);
        }
        let bounds = &self.bounds;
        State {
            members,
            net: self.parts.nets.share(Net::default()),
            left: [
                bounds.crashes,
                bounds.proposals,
                bounds.reads,
                bounds.snapshots,
                bounds.beats,
            ],
            calm: None,
            ghosts: self.parts.ghosts.share(self.history()),
        }
    }
}

fn is_held(image: &LogImage<u8>, id: LogId) -> bool {
    id.index <= image.base.index || image.entry(id.index).is_some_and(|entry| entry.id == id)
}

/// Whether two logs that share an entry are the same before it.
fn agree(one: &LogImage<u8>, other: &LogImage<u8>) -> bool {
    let shared = one
        .entries
        .iter()
        .filter(|entry| other.entry(entry.id.index).is_some_and(|known| known.id == entry.id));
    let Some(upto) = shared.map(|entry| entry.id.index).max() else {
        return true;
    };
    let mut before = one.entries.iter().filter(|entry| entry.id.index <= upto);
    before.all(|entry| {
        let index = entry.id.index;
        other
            .entry(index)
            .map_or(index < other.base.index || entry.id == other.base, |known| {
                known == entry
            })
    })
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
