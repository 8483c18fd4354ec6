//! Whole members and a network as one Stateright model.

use std::sync::Arc;

use pehra_core::election::{self, Role, Timing as Pace};
use pehra_core::members::NodeSet;
use pehra_core::protocol::Input;
use pehra_core::replication;
use pehra_core::sleep::Sleep;
use pehra_core::sleep::cover::View;
use pehra_core::sleep::coverage::{self, Controllers, Gear, Partition, Presence, Rules, Topology};
use pehra_core::sleep::guard::{self, Order, Stage, State as Broker, Timer as Duty};
use pehra_core::sleep::member::{Claim, Command, Config, Event, Message, Notice, Report, Timer};
use pehra_core::types::{NodeId, RequestId, Term};
use stateright::{Model, Property};

use super::letters::{self, Letter};
use super::properties::{self, broken};
use super::state::{Action, Around, Disk, MEMBERS, Member, State};
use super::words;
use crate::kinds::Kinds;
use crate::shared::{Memo, Pool, Shared};
use crate::site::{Nonces, Said, Site};

/// How large the world is. Each member is a voter with a broker beside it; one partition has a copy on each, and needs two.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The highest term.
    pub terms: u8,
    /// Who may stand after the first.
    pub stands: NodeSet,
    /// Crashes.
    pub crashes: u8,
    /// Wakes from outside.
    pub wakes: u8,
    /// Heartbeats of leaders, after their first.
    pub beats: u8,
    /// Timers of guard duty that may go off.
    pub timers: Vec<Duty>,
    /// Kinds of steps that these bounds leave no room for.
    pub never: &'static [&'static str],
    /// The bug.
    #[cfg(seeded_bugs)]
    pub bug: Option<guard::bugs::Bug>,
}

impl Bounds {
    /// One term, and nothing happens but that one goes to sleep.
    #[must_use]
    pub fn new() -> Self {
        Self {
            terms: 1,
            stands: NodeSet::EMPTY,
            crashes: 0,
            wakes: 0,
            beats: 0,
            timers: vec![Duty::Tell],
            never: &[],
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The bounds as words.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "3 whole members, each a voter with a broker, one partition with 3 copies of which 2 are needed, {} terms, later ones \
             stood for by {:?}, {} crashes, {} wakes from outside, {} heartbeats more, timers {:?}, commits durable at once, one leads \
             and all are idle at the start, one message of a kind under way between two, lost, late, again",
            self.terms, self.stands, self.crashes, self.wakes, self.beats, self.timers
        )
    }

    fn config(&self, me: u8) -> Config {
        let (all, me) = (NodeSet::first(MEMBERS.into()), NodeId(me.into()));
        let world = crate::sleep::Bounds {
            #[cfg(seeded_bugs)]
            bug: self.bug,
            ..crate::sleep::Bounds::lean()
        };
        Config {
            log: replication::Config::new(election::Config {
                pre_vote: false,
                ..election::Config::new(me, all, Pace::LAN)
            }),
            guard: world.config(u8::try_from(me.0).expect("few")),
            snapshot_every: u16::MAX,
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::new()
    }
}

/// Names of locks and tickets.
const TOKENS: usize = 24;
/// How many may be drawn in one step.
const DRAWS: usize = 8;

type Names = [u8; TOKENS + DRAWS];

struct Draws(u64);

impl Nonces for Draws {
    fn draw(&mut self) -> Option<u64> {
        self.0 += 1;
        assert!(self.0 < (TOKENS + DRAWS) as u64, "too many numbers drawn in one step");
        Some(self.0)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum What {
    Feed(Input<Sleep>),
    Crash,
}

struct Outcome {
    member: Shared<Member>,
    said: Vec<Said<Sleep>>,
}

#[derive(Default)]
struct Parts {
    members: Pool<Member>,
    nets: Pool<Vec<Letter>>,
    steps: Memo<(u8, Shared<Member>, What), Option<Outcome>>,
    names: Memo<(Shared<Member>, Names), Shared<Member>>,
}

/// A cluster of whole members.
#[derive(Clone)]
pub struct World {
    bounds: Bounds,
    configs: Vec<Config>,
    parts: Arc<Parts>,
}

impl World {
    /// The world of these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            configs: (0..MEMBERS).map(|me| bounds.config(me)).collect(),
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
        let compute = |question: &(u8, Shared<Member>, What)| {
            let config = self.config(index);
            let (mut site, mut said, mut draws) = (Member::clone(&member), Vec::new(), Draws(TOKENS as u64 - 1));
            let taken = match &question.2 {
                What::Feed(input) => site.feed(config, input.clone(), &mut draws, &mut said),
                What::Crash => {
                    site.crash(config, &mut draws, &mut said);
                    true
                }
            };
            settle_disk(&mut site, config, &mut draws, &mut said);
            taken.then(|| Outcome {
                member: self.parts.members.share(site),
                said,
            })
        };
        self.parts.steps.answer((index, member, what), compute).as_ref()
    }

    fn view(state: &State, member: u8, (gear, awake): (Gear, NodeSet)) -> View {
        let runs = |at: &u8| state.around[usize::from(*at)].up;
        let id = |at: u8| NodeId(at.into());
        let broker = |at: u8| coverage::Broker {
            id: id(at),
            presence: if awake.contains(id(at)) {
                Presence::Awake
            } else {
                Presence::Asleep
            },
            rack: None,
        };
        let in_sync: Vec<NodeId> = (0..MEMBERS).filter(runs).map(id).collect();
        let topology = Topology {
            brokers: (0..MEMBERS).map(broker).collect(),
            partitions: vec![Partition {
                topic: 0,
                leader: in_sync.first().copied(),
                replicas: (0..MEMBERS).map(id).collect(),
                in_sync,
                eligible: Vec::new(),
                in_sync_min: 2,
                unclean_election: false,
                moving: false,
            }],
            controllers: Controllers::default(),
            keeps_eligible: true,
        };
        View::of(&topology, &Rules { gear, ..Rules::LEAN }, NodeSet::only(id(member)))
    }

    fn apply(&self, before: &State, action: &Action) -> Option<State> {
        let mut state = before.clone();
        let order = |order: Order| What::Feed(Input::Commanded(RequestId(0), Command::Order(order)));
        let (member, what) = match action {
            Action::Deliver(letter) => {
                let (from, message) = (NodeId(letter.from.into()), letter.message);
                (letter.to, What::Feed(Input::Received { from, message }))
            }
            Action::Fire(member, timer) => {
                if *timer == Timer::Election(election::Timer::Heartbeat) {
                    state.left[2] = state.left[2].checked_sub(1)?;
                }
                (*member, What::Feed(Input::Fired(*timer)))
            }
            Action::View(member) => {
                let look = state.around[usize::from(*member)].look.take()?;
                (*member, order(Order::View(Self::view(before, *member, look))))
            }
            Action::Stopped(member) => {
                let around = &mut state.around[usize::from(*member)];
                (around.stopping, around.up) = (false, false);
                (*member, order(Order::Stopped))
            }
            Action::Up(member) => {
                let around = &mut state.around[usize::from(*member)];
                (around.up, around.wanted_up) = (true, false);
                (*member, order(Order::Up))
            }
            Action::Wake(member) => {
                state.left[1] = state.left[1].checked_sub(1)?;
                (*member, order(Order::Wake))
            }
            Action::Crash(member) => {
                state.left[0] = state.left[0].checked_sub(1)?;
                state.around[usize::from(*member)] = Around::default();
                (*member, What::Crash)
            }
        };
        self.act(&mut state, member, what)?;
        Some(self.renamed(state))
    }

    fn act(&self, state: &mut State, member: u8, what: What) -> Option<()> {
        let at = usize::from(member);
        let before = state.members[at];
        let outcome = self.step(member, before, what.clone())?;
        state.members[at] = outcome.member;
        let log = state.sleep(member).decrees().election();
        let term = log.term();
        let stands = matches!(log.role(), Role::Candidate { .. } | Role::Leader(_));
        if term.0 > self.bounds.terms.into() || (stands && term > Term(1) && !self.may_stand(member)) {
            return None;
        }
        if matches!(log.role(), Role::Leader(_)) {
            state.led[usize::try_from(term.0).expect("few terms")].insert(NodeId(member.into()));
        }
        Self::judge(state, member, before.node.state().duty().state(), &what, &outcome.said);
        let mut net = Vec::clone(&state.net);
        for said in &outcome.said {
            let around = &mut state.around[at];
            let (to, message) = match said {
                Said::Notice(to, notice) => (*to, (*notice).into()),
                Said::Claim(to, claim) => (*to, (*claim).into()),
                Said::Event(Event::Guard(guard::Event::Look { gear, awake })) => {
                    around.look = Some((*gear, *awake));
                    continue;
                }
                Said::Event(Event::Guard(guard::Event::Stop)) => {
                    around.stopping = true;
                    continue;
                }
                Said::Report(Report::Guard(guard::Report::Start)) => {
                    around.wanted_up = true;
                    continue;
                }
                Said::Event(_) | Said::Report(_) | Said::Armed(..) => continue,
            };
            let (from, to) = (member, u8::try_from(to.0).expect("few"));
            letters::send(&mut net, Letter { from, to, message });
        }
        state.net = self.parts.nets.share(net);
        Some(())
    }

    /// Of what this step alone shows.
    fn judge(state: &mut State, member: u8, was: Broker, what: &What, said: &[Said<Sleep>]) {
        for one in said {
            if let Said::Claim(_, Claim::Guard(guard::Claim::Grant { plan, .. })) = one {
                let led = state.led[usize::try_from(plan.term.0).expect("few terms")];
                if led != NodeSet::only(NodeId(member.into())) {
                    state.broken |= broken::NOT_LEADER;
                }
            }
        }
        let is = state.guard(member).state();
        let starts_down = matches!(is, Broker::Draining { .. }) && matches!(was, Broker::Active | Broker::Ringing);
        if starts_down {
            let granted = match what {
                What::Feed(Input::Received { from, message }) => {
                    let grant = matches!(message, Message::Claim(Claim::Guard(guard::Claim::Grant { .. })));
                    grant && state.guard(member).pehredar() == Some(*from)
                }
                What::Feed(_) | What::Crash => false,
            };
            if !granted {
                state.broken |= broken::STRANGER;
            }
        }
        let goes = |broker: Broker| {
            matches!(
                broker,
                Broker::Sleeping
                    | Broker::Draining {
                        stage: Stage::Stopping,
                        ..
                    }
            )
        };
        if goes(is) && !goes(was) && state.awake().without(NodeId(member.into())).count() < 2 {
            state.broken |= broken::NOT_ALONE;
        }
    }

    fn may_stand(&self, member: u8) -> bool {
        self.bounds.stands.contains(NodeId(member.into()))
    }

    /// Locks and tickets get the lowest names, in the order in which they stand in the state.
    fn renamed(&self, mut state: State) -> State {
        let mut names: Names = [0; TOKENS + DRAWS];
        let mut next = 0;
        let mut visit = |token: u64| {
            let token = usize::try_from(token).expect("few");
            if token != 0 && names[token] == 0 {
                next += 1;
                names[token] = next;
            }
        };
        (0..MEMBERS).for_each(|member| state.guard(member).tokens(&mut visit));
        state.net.iter().for_each(|letter| letter.tokens(&mut visit));
        assert!(usize::from(next) < TOKENS, "more numbers alive than there is room for");
        let same = |(old, new): (usize, &u8)| *new == 0 || usize::from(*new) == old;
        if names.iter().enumerate().all(same) {
            return state;
        }
        let name = |token: u64| u64::from(names[usize::try_from(token).expect("few")]);
        for member in &mut state.members {
            let known = *member;
            let compute = |_: &_| {
                let mut site = Site::clone(&known);
                site.node = site.node.renamed(|sleep| sleep.renamed(&name));
                self.parts.members.share(site)
            };
            *member = *self.parts.names.answer((known, names), compute);
        }
        let mut net: Vec<Letter> = state.net.iter().map(|letter| letter.renamed(&name)).collect();
        net.sort_unstable();
        state.net = self.parts.nets.share(net);
        state
    }

    /// The first member is elected and leads, its plan is decided, an admin has switched on, all are up and idle. What was said until
    /// then is lost.
    fn start(&self) -> State {
        let site = |member: u8| {
            let (mut draws, mut said) = (Draws(u64::from(member)), Vec::new());
            self.parts
                .members
                .share(Site::start(self.config(member), Disk::default(), &mut draws, &mut said))
        };
        let around = Around {
            wanted_up: true,
            ..Around::default()
        };
        let mut state = self.renamed(State {
            members: [site(0), site(1), site(2)],
            around: [around; MEMBERS as usize],
            net: self.parts.nets.share(Vec::new()),
            left: [self.bounds.crashes, self.bounds.wakes, u8::MAX],
            led: [NodeSet::EMPTY; 4],
            broken: 0,
        });
        for member in 0..MEMBERS {
            self.go(&mut state, &Action::Up(member));
        }
        // The first of these ends a quarantine, the last makes a candidate.
        let timer = Timer::Election(election::Timer::Election);
        for member in [0, 1, 2, 0] {
            self.go(&mut state, &Action::Fire(member, timer));
        }
        self.quiet_down(&mut state);
        self.tell_all(&mut state);
        let enable = Command::Order(Order::Enable { epoch: 1 });
        let what = What::Feed(Input::Commanded(RequestId(0), enable));
        self.act(&mut state, 0, what).expect("it is taken");
        self.quiet_down(&mut state);
        self.tell_all(&mut state);
        for member in 0..MEMBERS {
            self.go(&mut state, &Action::Fire(member, Timer::Guard(Duty::Idle)));
        }
        self.quiet_down(&mut state);
        state.left[2] = self.bounds.beats;
        state.net = self.parts.nets.share(Vec::new());
        self.renamed(state)
    }

    /// Heartbeats and standings, until nothing new comes of them.
    fn tell_all(&self, state: &mut State) {
        for _ in 0..3 {
            self.go(state, &Action::Fire(0, Timer::Election(election::Timer::Heartbeat)));
            self.quiet_down(state);
        }
    }

    fn go(&self, state: &mut State, action: &Action) {
        if let Some(next) = self.apply(state, action) {
            *state = next;
        }
    }

    /// All that is under way arrives, once, and readings are answered, but for those of guard duty that would let somebody sleep.
    fn quiet_down(&self, state: &mut State) {
        for _ in 0..200 {
            let Some(letter) = state.net.first().copied() else {
                let asks = (0..MEMBERS).find(|member| state.around[usize::from(*member)].look.is_some());
                let Some(asks) = asks else { break };
                if state.guard(asks).switch().1 {
                    break;
                }
                self.go(state, &Action::View(asks));
                continue;
            };
            let mut net = Vec::clone(&state.net);
            net.remove(0);
            state.net = self.parts.nets.share(net);
            self.go(state, &Action::Deliver(letter));
        }
    }
}

/// Commits are durable, and questions to the store answered, at once.
fn settle_disk(site: &mut Member, config: &Config, draws: &mut Draws, said: &mut Vec<Said<Sleep>>) {
    loop {
        let durable = site.make_durable();
        let reported = site.report(config, draws, said);
        let answered = site.answer(config, draws, said);
        if !durable && !reported && !answered {
            return;
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.net.iter().copied().map(Action::Deliver));
        for member in 0..MEMBERS {
            let around = state.around[usize::from(member)];
            for timer in &state.members[usize::from(member)].timers {
                let fires = match timer {
                    Timer::Guard(timer) => self.bounds.timers.contains(timer),
                    Timer::Election(election::Timer::Election) => self.bounds.terms > 1 && self.may_stand(member),
                    Timer::Election(election::Timer::Heartbeat) => state.left[2] > 0,
                    Timer::Election(_) => false,
                };
                if fires {
                    actions.push(Action::Fire(member, *timer));
                }
            }
            for (possible, action) in [
                (around.look.is_some(), Action::View(member)),
                (around.stopping, Action::Stopped(member)),
                (around.wanted_up && !around.stopping, Action::Up(member)),
                (state.left[1] > 0, Action::Wake(member)),
                (state.left[0] > 0, Action::Crash(member)),
            ] {
                if possible {
                    actions.push(action);
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.apply(state, &action).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn format_action(&self, action: &Action) -> String {
        words::action(action)
    }
}

impl Kinds for World {
    const KINDS: &'static [&'static str] = &[
        "log",
        "duty",
        "election timer",
        "heartbeat",
        "duty timer",
        "view",
        "stopped",
        "up",
        "wake",
        "crash",
    ];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Deliver(letter) => match letter.message {
                Message::Notice(Notice::Log(_)) | Message::Claim(Claim::Log(_)) => "log",
                Message::Notice(Notice::Guard(_)) | Message::Claim(Claim::Guard(_)) => "duty",
            },
            Action::Fire(_, Timer::Election(election::Timer::Heartbeat)) => "heartbeat",
            Action::Fire(_, Timer::Election(_)) => "election timer",
            Action::Fire(_, Timer::Guard(_)) => "duty timer",
            Action::View(_) => "view",
            Action::Stopped(_) => "stopped",
            Action::Up(_) => "up",
            Action::Wake(_) => "wake",
            Action::Crash(_) => "crash",
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let bounds = &self.bounds;
        match kind {
            _ if bounds.never.contains(&kind) => false,
            "election timer" => bounds.terms > 1,
            "heartbeat" => bounds.beats > 0,
            "wake" => bounds.wakes > 0,
            "crash" => bounds.crashes > 0,
            _ => true,
        }
    }
}
