//! Members, brokers, log and network as one Stateright model.

use std::sync::Arc;

use pehra_core::members::NodeSet;
use pehra_core::protocol::Input;
use pehra_core::replication::{Index, LogId};
use pehra_core::sleep::cover::View;
use pehra_core::sleep::coverage::{self, Controllers, Gear, Partition, Presence, Rules, Topology};
use pehra_core::sleep::guard::{
    Claim, Command, Config, Decree, Event, Guard, Message, News, Notice, Order, Plan, Report, Role, State as Broker,
    Timer, WakeRule,
};
use pehra_core::types::{NodeId, RequestId, Term};
use stateright::{Model, Path, Property};

use super::bounds::{BROKERS, Bounds};
use super::cluster;
use super::diagram;
use super::net::{Letter, Net};
use super::properties::{self, broken};
use super::state::{Action, Around, Decided, Left, Member, Nothing, Process, State};
use super::words;
use crate::kafka::{Kafka, Setup, Step};
use crate::shared::{Memo, Pool, Shared};
use crate::site::{Nonces, Said, Site};

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
    logs: Pool<Vec<Decided>>,
    kafkas: Pool<Kafka>,
    leaders: Pool<Vec<u8>>,
    steps: Memo<(u8, Shared<Member>, What), Option<Outcome>>,
    names: Memo<(Shared<Member>, Names), Shared<Member>>,
}

/// What is done to one member.
#[derive(Clone, PartialEq, Eq, Hash)]
enum What {
    Feed(Input<Guard>),
    Crash,
}

struct Outcome {
    member: Shared<Member>,
    said: Vec<Said<Guard>>,
}

/// The most locks and tickets that are alive at once.
const TOKENS: usize = 24;
/// Numbers from here on were drawn in the last step.
const FRESH: u64 = TOKENS as u64;
/// How many may be drawn in one step.
const DRAWS: usize = 8;

/// New names of locks and tickets, by the old.
type Names = [u8; TOKENS + DRAWS];

/// Draws numbers that nobody has.
struct Draws(u64);

impl Nonces for Draws {
    fn draw(&mut self) -> Option<u64> {
        self.0 += 1;
        assert!(
            self.0 < (TOKENS + DRAWS) as u64,
            "more numbers drawn in one step than there is room for"
        );
        Some(self.0)
    }
}

impl World {
    /// The world of these bounds.
    ///
    /// # Panics
    /// If it has more members than a state can hold.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        assert!(usize::from(bounds.brokers) <= BROKERS);
        Self {
            configs: (0..bounds.brokers).map(|me| bounds.config(me)).collect(),
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

    /// All members.
    #[must_use]
    pub fn members(&self) -> std::ops::Range<u8> {
        0..self.bounds.brokers
    }

    /// What its broker would do after this input, which no action of the model has; nothing if there is no such input for it now.
    #[must_use]
    pub fn tried(&self, state: &State, member: u8, input: Input<Guard>) -> Option<Broker> {
        let before = state.members[usize::from(member)];
        let outcome = self.step(member, before, What::Feed(input))?;
        Some(outcome.member.node.state().state())
    }

    /// What its broker would do after a crash and a restart, whether or not the bounds leave room for one.
    #[must_use]
    pub fn restarted(&self, state: &State, member: u8) -> Option<Broker> {
        let before = state.members[usize::from(member)];
        let outcome = self.step(member, before, What::Crash)?;
        Some(outcome.member.node.state().state())
    }

    fn step(&self, index: u8, member: Shared<Member>, what: What) -> Option<&'static Outcome> {
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

    /// The name of the decree at this place, counted from one.
    fn id(state: &State, place: u8) -> LogId {
        let decided = state.log.get(usize::from(place) - 1).expect("it is decided");
        LogId {
            term: Term(decided.term.into()),
            index: Index(place.into()),
        }
    }

    /// The plan that this member knows as the latest.
    pub(super) fn plan_known(state: &State, member: u8) -> Option<(LogId, Plan)> {
        let known = &state.log[..usize::from(state.at(member).applied)];
        let plan = |(at, decided): (usize, &Decided)| match decided.decree {
            Decree::Plan(plan) => Some((Self::id(state, u8::try_from(at).expect("few") + 1), plan)),
            Decree::Switch { .. } | Decree::Round { .. } => None,
        };
        known.iter().enumerate().rev().find_map(plan)
    }

    /// Those who take part by the latest plan that is decided.
    pub(super) fn latest_members(&self, state: &State) -> NodeSet {
        let members = |decided: &Decided| match decided.decree {
            Decree::Plan(plan) => Some(plan.members),
            Decree::Switch { .. } | Decree::Round { .. } => None,
        };
        state.log.iter().rev().find_map(members).unwrap_or(self.bounds.all())
    }

    /// One reading of the cluster, begun and ended now.
    fn view(&self, state: &State, member: u8, (gear, awake): (Gear, NodeSet)) -> View {
        let topology = match &self.bounds.kafka {
            Some(kafka) => cluster::topology(kafka, &state.kafka, awake),
            None => self.topology(state, awake),
        };
        let rules = Rules { gear, ..Rules::LEAN };
        let mut view = View::of(&topology, &rules, NodeSet::only(NodeId(member.into())));
        let term = usize::from(state.at(member).term);
        if let Some(suggested) = term.checked_sub(1).and_then(|at| self.bounds.suggests.get(at)) {
            view.sleepers = *suggested;
        }
        view
    }

    fn topology(&self, state: &State, awake: NodeSet) -> Topology {
        let serves = |node: &NodeId| state.at(u8::try_from(node.0).expect("few")).process != Process::Down;
        let broker = |node: NodeId| coverage::Broker {
            id: node,
            presence: if awake.contains(node) {
                Presence::Awake
            } else {
                Presence::Asleep
            },
            rack: None,
        };
        let partition = |copies: &super::Copies| {
            let in_sync: Vec<NodeId> = copies.replicas.iter().filter(serves).collect();
            Partition {
                topic: 0,
                leader: in_sync.first().copied(),
                replicas: copies.replicas.iter().collect(),
                in_sync,
                eligible: Vec::new(),
                in_sync_min: copies.in_sync_min,
                unclean_election: false,
                moving: false,
            }
        };
        Topology {
            brokers: self.bounds.all().iter().map(broker).collect(),
            partitions: self.bounds.partitions.iter().map(partition).collect(),
            controllers: Controllers::default(),
            keeps_eligible: true,
        }
    }

    /// All that could happen now, before asking whether it would change anything.
    fn candidates(&self, state: &State, actions: &mut Vec<Action>) {
        let heard = |letter: &&Letter| {
            let wakes = matches!(letter.message, Message::Notice(Notice::Wake { .. })) && !self.bounds.unwakeable;
            !self.is_gone(state, letter.to) && (wakes || !self.is_deaf(state, letter.to))
        };
        actions.extend(state.net.iter().filter(heard).map(|letter| Action::Deliver(*letter)));
        for member in self.members().filter(|member| !self.is_gone(state, *member)) {
            let around = state.at(member);
            let site = &state.members[usize::from(member)];
            let deaf = self.is_deaf(state, member);
            let timers = site
                .timers
                .iter()
                .filter(|timer| !self.bounds.without.contains(timer) && (!deaf || **timer == Timer::Alarm));
            // In a calm a broker stops in time, and a wake takes less than the idle time.
            let timers = timers
                .filter(|timer| !state.calm || (**timer != Timer::Drain && (**timer != Timer::Idle || !state.needed)));
            // Whoever wakes at all wakes before its wake is given up.
            let in_vain = self.calls_in_vain(state, member) || state.left.hasty > 0;
            let timers = timers.filter(|timer| **timer != Timer::Wake || in_vain);
            actions.extend(timers.map(|timer| Action::Fire(member, *timer)));
            let leads = around.heard && state.leaders.last() == Some(&member) && around.term == state.top();
            let leads_some = matches!(site.node.state().role(), Role::Pehredar(_));
            let (left, node) = (&state.left, NodeId(member.into()));
            for (possible, action) in [
                (
                    usize::from(around.applied) < state.log.len() && !deaf,
                    Action::Learn(member),
                ),
                (
                    leads && around.proposed.is_some() && state.log.len() < usize::from(self.bounds.decrees),
                    Action::Decide(member),
                ),
                (self.may_follow(state, member) && !deaf, Action::Follow(member)),
                (left.losses > 0 && around.heard && !deaf, Action::Lose(member)),
                (around.look.is_some(), Action::View(member)),
                (around.process == Process::Stopping, Action::Stopped(member)),
                (
                    around.wanted_up && around.process != Process::Stopping && self.is_in_sync(state, member),
                    Action::Up(member),
                ),
                (
                    left.traffic > 0 && self.bounds.traffic_at.contains(node),
                    Action::Traffic(member),
                ),
                (left.wakes > 0, Action::Wake(member)),
                (
                    left.crashes > 0 && self.bounds.crash_at.contains(node),
                    Action::Crash(member),
                ),
                (site.node.state().state() == Broker::Maintenance, Action::Done(member)),
                (left.switches > 0 && leads_some, Action::Enable(member, 1)),
                (left.switches > 0 && leads_some, Action::Enable(member, 0)),
                (left.switches > 0 && leads_some, Action::Disable(member)),
                (left.rounds > 0 && leads_some, Action::Round(member, self.bounds.all())),
            ] {
                if possible {
                    actions.push(action);
                }
            }
            self.elections(state, member, actions);
        }
        self.cluster_steps(state, actions);
        if self.bounds.calms && !state.calm {
            if self.bounds.all_down {
                self.all_down(state, actions);
            } else {
                actions.push(Action::Calm);
            }
        }
    }

    fn all_down(&self, state: &State, actions: &mut Vec<Action>) {
        let asleep = |node: &NodeId| state.guard(u8::try_from(node.0).expect("few")).state() == Broker::Sleeping;
        let sleepers: NodeSet = self.bounds.all().iter().filter(asleep).collect();
        let up = self.bounds.all().minus(sleepers);
        let all = (0..1_u64 << self.bounds.brokers).map(NodeSet::from_bits);
        let these = all.filter(|these| these.is_within(sleepers));
        actions.extend(these.map(|these| Action::AllDown(these.or(up))));
    }

    /// Whether enough are up for traffic: one gear more than the lowest.
    fn serves(&self, state: &State) -> bool {
        let awake = state.awake(self.bounds.brokers);
        let all = self.bounds.wake == WakeRule::All || self.bounds.gear == Gear::Lean;
        if all {
            return awake == self.bounds.all();
        }
        let mut partitions = self.bounds.partitions.iter();
        partitions.all(|copies| copies.replicas.and(awake).count() >= copies.in_sync_min.into())
    }

    /// Whether those who are up without this one are enough for every partition in the lowest gear.
    pub(super) fn covers_without(&self, state: &State, member: u8) -> bool {
        if let Some(cluster) = &self.bounds.kafka {
            return cluster::covers_without(cluster, &state.kafka, (self.bounds.gear, member));
        }
        let awake = state.awake(self.bounds.brokers).without(NodeId(member.into()));
        let need = |copies: &super::Copies| match self.bounds.gear {
            Gear::Watch => 1,
            Gear::Full | Gear::Lean => u32::from(copies.in_sync_min),
        };
        let mut partitions = self.bounds.partitions.iter();
        partitions.all(|copies| copies.replicas.and(awake).count() >= need(copies))
    }

    fn is_deaf(&self, state: &State, member: u8) -> bool {
        self.bounds.deaf && state.guard(member).state() == Broker::Sleeping
    }

    fn is_gone(&self, state: &State, member: u8) -> bool {
        self.bounds.gone.contains(NodeId(member.into())) && state.guard(member).state() == Broker::Sleeping
    }

    /// Where machines may be gone: whether all who are being woken are.
    fn calls_in_vain(&self, state: &State, member: u8) -> bool {
        let Role::Pehredar(watch) = state.guard(member).role() else {
            return true;
        };
        let gone = |node: NodeId| self.is_gone(state, u8::try_from(node.0).expect("few"));
        self.bounds.gone.is_empty() || watch.rousing().iter().all(gone)
    }

    fn may_follow(&self, state: &State, member: u8) -> bool {
        let Some(leader) = state.leaders.last() else {
            return false;
        };
        let leads = state.at(*leader).heard && state.at(*leader).term == state.top();
        let around = state.at(member);
        leads && *leader != member && (around.term < state.top() || !around.heard)
    }

    fn elections(&self, state: &State, member: u8, actions: &mut Vec<Action>) {
        let term = state.top() + 1;
        let most = self.bounds.terms - if state.calm { 0 } else { self.bounds.headroom };
        if term > most || state.at(member).yields || !self.bounds.may_lead(term).contains(NodeId(member.into())) {
            return;
        }
        let all = self.bounds.voters;
        let awake = |node: NodeId| !self.is_deaf(state, u8::try_from(node.0).expect("few"));
        for bits in 0..1_u64 << self.bounds.brokers {
            let votes = NodeSet::from_bits(bits).and(all);
            if votes.bits() != bits {
                continue;
            }
            // Whoever votes for a second time in a calm has lost its leader.
            if votes.contains(NodeId(member.into()))
                && votes.is_majority_of(all)
                && self.bounds.may_elect(term, votes)
                && Self::may_vote(state)
                && votes.iter().all(awake)
            {
                actions.push(Action::Elect(member, votes));
            }
        }
    }

    /// After the calm nobody is elected while a leader leads and does not let another lead.
    fn may_vote(state: &State) -> bool {
        let leads = |leader: &u8| {
            let around = state.at(*leader);
            around.heard && around.term == state.top() && !around.yields
        };
        !state.calm || (!state.leaders.last().is_some_and(leads))
    }

    fn apply(&self, before: &State, action: &Action) -> Option<State> {
        let mut state = before.clone();
        let order = |order: Order| What::Feed(Input::Commanded(RequestId(0), Command::Order(order)));
        let news = |news: News| What::Feed(Input::Commanded(RequestId(0), Command::News(news)));
        match action {
            Action::Deliver(letter) => {
                let what = What::Feed(Input::Received {
                    from: NodeId(letter.from.into()),
                    message: letter.message,
                });
                if !self.bounds.repeats || state.calm {
                    self.change_net(&mut state, |net| net.take(letter));
                }
                self.act(&mut state, letter.to, what)?;
            }
            Action::Fire(member, timer) => {
                if *timer == Timer::Wake && !self.calls_in_vain(&state, *member) {
                    state.left.hasty -= 1;
                }
                self.act(&mut state, *member, What::Feed(Input::Fired(*timer)))?;
            }
            Action::Learn(member) => {
                let place = state.at(*member).applied + 1;
                let (id, decree) = (Self::id(&state, place), state.log[usize::from(place) - 1].decree);
                state.around[usize::from(*member)].applied = place;
                self.act(&mut state, *member, news(News::Decided { id, decree }))?;
            }
            Action::Decide(member) => {
                let around = &mut state.around[usize::from(*member)];
                let (term, decree) = (around.term, around.proposed.take()?);
                let mut log = Vec::clone(&state.log);
                log.push(Decided { term, decree });
                state.log = self.parts.logs.share(log);
            }
            Action::Elect(member, votes) => self.elect(&mut state, *member, *votes)?,
            Action::Follow(member) => {
                let (leader, top) = (*state.leaders.last()?, state.top());
                let around = &mut state.around[usize::from(*member)];
                (around.term, around.heard, around.proposed, around.yields) = (top, true, None, false);
                let (leader, term) = (NodeId(leader.into()), Term(top.into()));
                self.act(&mut state, *member, news(News::Following { leader, term }))?;
            }
            Action::Lose(member) => {
                state.left.losses -= 1;
                self.lose(&mut state, *member)?;
            }
            Action::View(member) => {
                let look = state.around[usize::from(*member)].look.take()?;
                let view = self.view(before, *member, look);
                self.act(&mut state, *member, order(Order::View(view)))?;
            }
            Action::Stopped(member) => {
                state.around[usize::from(*member)].process = Process::Down;
                self.in_kafka(&mut state, Step::Stopped(*member));
                self.act(&mut state, *member, order(Order::Stopped))?;
            }
            Action::Up(member) => {
                let around = &mut state.around[usize::from(*member)];
                (around.process, around.wanted_up) = (Process::Up, false);
                self.act(&mut state, *member, order(Order::Up))?;
            }
            Action::Traffic(member) => {
                state.left.traffic -= 1;
                state.needed = true;
                self.act(&mut state, *member, order(Order::Traffic))?;
            }
            Action::Wake(member) => {
                state.left.wakes -= 1;
                self.act(&mut state, *member, order(Order::Wake))?;
            }
            Action::Crash(member) => {
                state.left.crashes -= 1;
                self.in_kafka(&mut state, Step::Kill(*member));
                self.crash(&mut state, *member)?;
            }
            Action::PowerLoss(member, records) => {
                state.left.crashes -= 1;
                self.in_kafka(&mut state, Step::PowerLoss(*member, *records));
                self.crash(&mut state, *member)?;
            }
            Action::Kafka(step) => {
                if matches!(step, Step::Produce(_)) {
                    state.writes = state.writes.checked_sub(1)?;
                }
                if !self.in_kafka(&mut state, *step) {
                    return None;
                }
            }
            Action::Done(member) => self.act(&mut state, *member, order(Order::Done))?,
            Action::Enable(member, higher) => {
                state.left.switches -= 1;
                let (epoch, _) = state.guard(*member).switch();
                let epoch = epoch + u64::from(*higher);
                self.act(&mut state, *member, order(Order::Enable { epoch }))?;
            }
            Action::Disable(member) => {
                state.left.switches -= 1;
                self.act(&mut state, *member, order(Order::Disable))?;
            }
            Action::Round(member, nodes) => {
                state.left.rounds -= 1;
                self.act(&mut state, *member, order(Order::Maintain(*nodes)))?;
            }
            Action::AllDown(these) => {
                (state.calm, state.left) = (true, Left::default());
                for node in these.iter() {
                    let member = u8::try_from(node.0).expect("few");
                    self.in_kafka(&mut state, Step::Kill(member));
                    self.crash(&mut state, member)?;
                }
                self.change_net(&mut state, |net| net.retain(|_| false));
            }
            Action::Calm => {
                state.calm = true;
                state.left = Left::default();
                self.change_net(&mut state, Net::let_go);
            }
        }
        state.needed &= !self.serves(&state) && self.members().any(|member| !state.guard(member).is_idle());
        self.drop_dead(&mut state);
        Some(self.renamed(state))
    }

    /// Kafka takes this step, if it can. Nothing happens where there is no Kafka.
    pub(super) fn in_kafka(&self, state: &mut State, step: Step) -> bool {
        let next = self.bounds.kafka.and_then(|kafka| state.kafka.step(&kafka.setup, step));
        if let Some(next) = next {
            state.kafka = self.parts.kafkas.share(next);
        }
        next.is_some()
    }

    fn change_net(&self, state: &mut State, change: impl FnOnce(&mut Net)) {
        let mut net = Net::clone(&state.net);
        change(&mut net);
        state.net = self.parts.nets.share(net);
    }

    /// The winner leads at once; its voters know of the term, and of no leader yet.
    fn elect(&self, state: &mut State, member: u8, votes: NodeSet) -> Option<()> {
        let mut leaders = Vec::clone(&state.leaders);
        leaders.push(member);
        state.leaders = self.parts.leaders.share(leaders);
        let term = state.top();
        for voter in votes.iter() {
            let voter = u8::try_from(voter.0).expect("few");
            let around = &mut state.around[usize::from(voter)];
            (around.term, around.heard, around.proposed, around.yields) = (term, voter == member, None, false);
            let term = Term(term.into());
            let news = if voter == member {
                News::Leading { term }
            } else {
                News::Leaderless { term }
            };
            let what = What::Feed(Input::Commanded(RequestId(0), Command::News(news)));
            self.act(state, voter, what)?;
        }
        Some(())
    }

    fn lose(&self, state: &mut State, member: u8) -> Option<()> {
        let around = &mut state.around[usize::from(member)];
        (around.heard, around.proposed, around.yields) = (false, None, false);
        let term = Term(around.term.into());
        let news = Command::News(News::Leaderless { term });
        self.act(state, member, What::Feed(Input::Commanded(RequestId(0), news)))
    }

    /// Log and term are on disk, and are told again; all else is gone, and the broker has stopped without a word.
    fn crash(&self, state: &mut State, member: u8) -> Option<()> {
        let around = &mut state.around[usize::from(member)];
        (around.process, around.applied, around.look, around.granted) = (Process::Down, 0, None, 0);
        self.act(state, member, What::Crash)?;
        self.lose(state, member)
    }

    /// One step of one member, and what follows from it around.
    fn act(&self, state: &mut State, member: u8, what: What) -> Option<()> {
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

    /// Whether this member leads, or may come to lead.
    fn may_matter(&self, state: &State, member: u8) -> bool {
        let later = state.top() + 1..=self.bounds.terms;
        let mut later = later.filter(|term| self.bounds.may_lead(*term).contains(NodeId(member.into())));
        matches!(state.guard(member).role(), Role::Pehredar(_)) || later.next().is_some()
    }

    /// Letters that can change nothing, now or later: what a Pehredar only would hear, to one that is none and never will be; and
    /// grants of an older term to one that has heard of a later one, from a member that it will not follow again.
    fn drop_dead(&self, state: &mut State) {
        // What changes nothing may well change something where there is a bug.
        #[cfg(seeded_bugs)]
        if self.bounds.bug.is_some() {
            return;
        }
        let dead = |letter: &Letter| match letter.message {
            Message::Claim(Claim::Standing(_)) | Message::Notice(Notice::Traffic) => !self.may_matter(state, letter.to),
            Message::Claim(Claim::Grant { plan, .. }) => {
                let led = u8::try_from(plan.term.0).expect("few terms");
                let again = state.leaders[usize::from(led)..].contains(&letter.from);
                let later = (state.top() + 1..=self.bounds.terms)
                    .any(|term| self.bounds.may_lead(term).contains(NodeId(letter.from.into())));
                state.at(letter.to).term > led && !again && !later
            }
            Message::Notice(Notice::Wake { .. }) => false,
        };
        if state.net.iter().any(dead) {
            let mut net = Net::clone(&state.net);
            net.retain(|letter| !dead(letter));
            state.net = self.parts.nets.share(net);
        }
    }

    /// Places beyond the last member say nothing.
    fn repeat_first(&self, state: &mut State) {
        let members = usize::from(self.bounds.brokers);
        let (first, around) = (state.members[0], state.around[0]);
        state.members[members..].fill(first);
        state.around[members..].fill(around);
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
        for member in self.members() {
            state.guard(member).tokens(&mut visit);
        }
        for letter in state.net.iter() {
            letter.tokens(&mut visit);
        }
        assert!(usize::from(next) < TOKENS, "more numbers alive than there is room for");
        let same = |(old, new): (usize, &u8)| *new == 0 || usize::from(*new) == old;
        if names.iter().enumerate().all(same) {
            return state;
        }
        let name = |token: u64| u64::from(names[usize::try_from(token).expect("few")]);
        for member in self.members() {
            let at = usize::from(member);
            let known = state.members[at];
            let compute = |_: &_| {
                let mut site = Site::clone(&known);
                site.node = site.node.renamed(|guard| guard.renamed(&name));
                self.parts.members.share(site)
            };
            state.members[at] = *self.parts.names.answer((known, names), compute);
        }
        self.change_net(&mut state, |net| *net = net.renamed(&name));
        self.repeat_first(&mut state);
        state
    }

    fn start(&self) -> State {
        let first = |member: u8| {
            let mut said = Vec::new();
            let config = self.config(member);
            let site = Site::start(config, Nothing, &mut Draws(u64::from(member)), &mut said);
            self.parts.members.share(site)
        };
        let mut members = [first(0); BROKERS];
        for member in 1..self.bounds.brokers {
            members[usize::from(member)] = first(member);
        }
        let around = Around {
            process: Process::Up,
            wanted_up: true,
            look: None,
            applied: 0,
            term: 0,
            heard: false,
            proposed: None,
            looked_before: false,
            granted: 0,
            yields: false,
        };
        let bounds = &self.bounds;
        let kafka = bounds
            .kafka
            .map_or_else(|| Kafka::new(&Setup::new(1, 0, 1, 1)), |it| Kafka::new(&it.setup));
        let start = State {
            members,
            around: [around; BROKERS],
            log: self.parts.logs.share(Vec::new()),
            leaders: self.parts.leaders.share(Vec::new()),
            kafka: self.parts.kafkas.share(kafka),
            net: self.parts.nets.share(Net::default()),
            writes: bounds.kafka.map_or(0, |kafka| kafka.records),
            left: Left {
                crashes: bounds.crashes,
                traffic: bounds.traffic,
                wakes: bounds.wakes,
                losses: bounds.losses,
                switches: bounds.switches + 1,
                rounds: bounds.rounds,
                hasty: bounds.hasty,
            },
            calm: false,
            needed: false,
            visited: NodeSet::EMPTY,
            paged: NodeSet::EMPTY,
            broken: 0,
        };
        let mut state = self.renamed(start);
        self.repeat_first(&mut state);
        self.settle(state)
    }

    /// The first member leads, an admin has switched on, all are up and idle and have said so. What was said before is lost.
    fn settle(&self, mut state: State) -> State {
        let mut go = |action: Action| state = self.apply(&state, &action).expect("a start without hindrance");
        go(Action::Elect(0, self.bounds.voters));
        for member in self.members() {
            go(Action::Up(member));
            if member != 0 {
                go(Action::Follow(member));
            }
        }
        self.deliver_all(&mut state);
        self.decide_all(&mut state);
        self.deliver_all(&mut state);
        state = self.apply(&state, &Action::Enable(0, 1)).expect("all are awake");
        self.decide_all(&mut state);
        for member in self.members() {
            state = self.apply(&state, &Action::Fire(member, Timer::Idle)).expect("a timer");
        }
        self.change_net(&mut state, |net| net.retain(|_| false));
        state.calm = self.bounds.calm_from_start;
        self.renamed(state)
    }

    fn deliver_all(&self, state: &mut State) {
        let letters: Vec<Letter> = state.net.iter().copied().collect();
        for letter in letters {
            // Its names may have changed meanwhile: only those that are still there.
            if state.net.iter().any(|known| *known == letter) {
                *state = self.apply(state, &Action::Deliver(letter)).expect("it is heard");
            }
        }
    }

    fn decide_all(&self, state: &mut State) {
        let go = |state: &mut State, action: &Action| {
            if let Some(next) = self.apply(state, action) {
                *state = next;
            }
        };
        for _ in 0..2 {
            go(state, &Action::View(0));
            go(state, &Action::Decide(0));
            for member in self.members() {
                while usize::from(state.at(member).applied) < state.log.len() {
                    go(state, &Action::Learn(member));
                }
            }
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
        self.candidates(state, actions);
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

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        Some(diagram::svg(self.bounds.brokers, &path.into_vec()))
    }
}
