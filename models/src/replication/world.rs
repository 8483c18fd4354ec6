//! Members with their logs and a network as one Stateright model.

use std::ops::Range;
use std::sync::Arc;

use pehra_core::election::{self, Loyalty, Role, Timer};
use pehra_core::protocol::Input;
use pehra_core::replication::{
    Claim, Command, Config, Entry, Event, Index, LogId, LogImage, Message, Notice, Replication, Report,
};
use pehra_core::types::{NodeId, RequestId, Term};
use stateright::{Model, Path, Property};

use super::bounds::{Bounds, Disk, MEMBERS, PLACES, Shape};
use super::diagram;
use super::ghosts::Ghosts;
use super::messages::{ALL, Letter};
use super::properties::{self, broken, done};
use super::state::{Action, Member, State};
use super::words;
use crate::election::steps::Orders;
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
    ghosts: Pool<Ghosts>,
    steps: Memo<(u8, Shared<Member>, What), Option<Outcome>>,
}

/// What is done to one member.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What {
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
struct Outcome {
    member: Shared<Member>,
    sent: Vec<Letter>,
    /// What the step alone shows to be broken.
    broken: u16,
    /// What it says is decided, in order.
    decided: Vec<LogId>,
    applied: Vec<Entry<u8>>,
    readable: Option<Index>,
    /// What it did that is worth seeing.
    done: u8,
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

    const fn orders(&self) -> Orders {
        Orders {
            voters: self.bounds.voters,
            drawn: self.bounds.ranks,
        }
    }

    // --- one member -------------------------------------------------------------------------------------------------

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
        let asks = matches!(was.election().role(), Role::PreCandidate { .. });
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

    // --- all of them ------------------------------------------------------------------------------------------------

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
        if was.entries != is.entries || was.base != is.base {
            let copies = |id: LogId| {
                let disks = (0..usize::from(self.bounds.members())).map(|other| &state.members[other].image);
                disks.filter(|image| is_held(image, id)).count()
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

fn hard(site: &Member) -> (Term, Option<NodeId>) {
    site.image
        .hard
        .map_or((Term::ZERO, None), |hard| (hard.term, hard.vote))
}

/// Whether hearing this, now or later, could change anything. No member will ever be in a term below that on its disk.
fn can_matter(
    (sender, site): (&Member, &Member),
    letter: &Letter,
    to: u8,
    (listens, no_crash, terms): (bool, bool, u8),
) -> bool {
    let state = site.node.state();
    let current = state.election().term();
    let (durable, vote) = hard(site);
    let (from, to) = (NodeId(letter.from.into()), NodeId(to.into()));
    // One that is late is answered by a Nack. If its sender is in the last term, that changes nothing.
    let nacked = listens || hard(sender).0.0 < terms.into();
    match &letter.message {
        Message::Notice(Notice::Election(notice)) => match notice {
            election::Notice::PreVote { term, .. } | election::Notice::Heartbeat { term, .. } => {
                durable <= *term || nacked
            }
            election::Notice::PreVoted { term } | election::Notice::Resign { term } => durable < *term,
        },
        Message::Claim(Claim::Election(claim)) => match claim {
            election::Claim::Nack { term } | election::Claim::Behind { term, .. } => durable < *term,
            // Nobody has opened the first round: its answers only show that their sender is there.
            election::Claim::Ack { round, term } => (listens || *round > 0) && durable <= *term,
            // A candidate of this term is one now, or never again.
            election::Claim::Voted { term } => lacks_vote(site, *term, from),
            // Whoever has voted says so again, to a candidate that may not have heard.
            election::Claim::Vote { term, .. } | election::Claim::Transfer { term, .. } => {
                let again = vote == Some(from) && lacks_vote(sender, *term, to);
                durable < *term || (durable == *term && (vote.is_none() || again))
            }
        },
        Message::Notice(Notice::Append {
            term,
            prev,
            entry,
            decided,
        }) => {
            let upto = entry.as_ref().map_or(*prev, |entry| entry.id);
            // It has all that, and its leader knows. (A crash would make it forget what is decided.)
            let known = no_crash
                && current == *term
                && state.log().holds(upto)
                && *decided <= state.decided()
                && !is_news(sender, *term, to, upto.index, state.decided());
            durable <= *term && !known
        }
        Message::Claim(Claim::Appended { term, upto, decided }) => is_news(site, *term, from, *upto, *decided),
        Message::Claim(Claim::Missing { term, .. }) => current == *term && state.lead().is_some(),
        Message::Notice(Notice::Ask { .. } | Notice::Suffix { .. } | Notice::Piece { .. })
        | Message::Claim(Claim::Pieced { .. }) => true,
    }
}

/// Whether this one stands in this term and lacks that vote.
fn lacks_vote(candidate: &Member, term: Term, voter: NodeId) -> bool {
    let election = candidate.node.state().election();
    match election.role() {
        Role::Candidate { granted } => election.term() == term && !granted.contains(voter),
        Role::Observer | Role::Follower | Role::PreCandidate { .. } | Role::Leader(_) => false,
    }
}

/// Whether the leader of this term, if this is one, did not know that about a follower. Whoever leads a term leads it now,
/// or never again.
fn is_news(leader: &Member, term: Term, follower: NodeId, upto: Index, decided: Index) -> bool {
    let state = leader.node.state();
    let others = state.lead().map_or(&[][..], pehra_core::replication::Lead::others);
    let mut others = others.iter().filter(|known| known.node == follower);
    state.election().term() == term && others.any(|known| known.matched < upto || known.decided < decided)
}

/// Whether this may be what a member asked a voter for.
const fn is_copy(message: &Message<u8>) -> bool {
    matches!(message, Message::Notice(Notice::Suffix { .. }))
}

fn is_on_disk(image: &LogImage<u8>, upto: Index) -> bool {
    upto <= image.last().index
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
