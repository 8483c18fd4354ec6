//! What the node's loop sees of the agent. Nothing here waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pehra_cluster::ask::{Ask, Checked, Reply};
use pehra_cluster::{Broker, Cluster, SleepSettings, Status};
use pehra_core::election::Refusal as Elected;
use pehra_core::members::NodeSet;
use pehra_core::sleep::Sleep;
use pehra_core::sleep::coverage::{Gear, Rules};
use pehra_core::sleep::guard::{self, Fitness, Guard, Order, Purpose, Refusal, Role, Stage, State};
use pehra_core::sleep::member::{Command, Config, Event, Report};
use pehra_core::types::{NodeId, RequestId};
use pehra_driver::{Mail, Mailbox};
use pehra_kafka_proxy::{Proxy, Sight, Sockets, WhileDown};
use pehra_power::{Local, Power};
use tokio::sync::{mpsc, watch};

use super::hand::Deed;
use super::{Word, look, serve, settings, span, status};
use crate::desk::Desk;
use crate::hosted::{Host, OWN, Place};

/// How long an agent that ends waits for its broker to be started, beside what a broker may take to stop.
const LEAVE: Duration = Duration::from_secs(10);

/// The agent of one node.
pub struct Agent {
    place: Place,
    config: Config,
    settings: SleepSettings,
    letters: Mailbox<Sleep>,
    words: mpsc::UnboundedSender<Word>,
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Word>>>,
    content: Mutex<Content>,
    power: OnceLock<(Arc<Local>, &'static str)>,
    proxy: OnceLock<Proxy>,
    sockets: OnceLock<Sockets>,
}

/// What is known at the moment.
#[derive(Default)]
pub(super) struct Content {
    /// What is for sleep, and not yet held against the node's state.
    gated: Vec<Deed>,
    /// The member's guard duty, as it was last seen.
    pub guard: Option<Guard>,
    /// Since when its broker does what it does.
    pub since: Option<Instant>,
    /// Its broker has stopped for maintenance.
    pub workable: bool,
    /// Since when its broker is down in its sleep.
    pub asleep: Option<Instant>,
    pub asleep_for: Duration,
    pub traffic: Option<Instant>,
    /// Its broker's sockets were seen once, so it is not elsewhere.
    pub sighted: bool,
    pub grants: u64,
    pub sleeps: u64,
    pub wakes: u64,
    pub declined: BTreeMap<String, u64>,
    /// Those who were silent when it last tried to wake them, by this node.
    pub alerts: NodeSet,
    /// What is wrong with the cluster, by the last reading.
    pub wrong: Option<String>,
    /// Who could be read last.
    read_at: Option<String>,
    pub fit: Vec<Checked>,
}

impl Agent {
    pub fn new(place: Place, letters: Mailbox<Sleep>) -> Self {
        let (words, inbox) = mpsc::unbounded_channel();
        let cluster = &place.cluster;
        let settings = cluster.sleep.clone().unwrap_or_else(SleepSettings::usual);
        let election = cluster.election(place.me).unwrap_or_else(|| {
            // The node has looked for itself in the file before it made this.
            pehra_core::election::Config::new(NodeId(place.me), NodeSet::EMPTY, cluster.timing)
        });
        Self {
            config: settings::config(cluster, election),
            settings,
            place,
            letters,
            words,
            inbox: Mutex::new(Some(inbox)),
            content: Mutex::default(),
            power: OnceLock::new(),
            proxy: OnceLock::new(),
            sockets: OnceLock::new(),
        }
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, word: Word) {
        // The agent's task ends with the process.
        let _ = self.words.send(word);
    }

    // --- what is known from the start ----------------------------------------------------------------------------------

    pub(super) fn cluster(&self) -> &Arc<Cluster> {
        &self.place.cluster
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn letters(&self) -> &Mailbox<Sleep> {
        &self.letters
    }

    pub(super) const fn me(&self) -> u16 {
        self.place.me
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        &self.place.folder
    }

    /// Its own broker.
    pub(super) fn own(&self) -> Option<&Broker> {
        self.place.cluster.member(self.place.me)?.broker.as_ref()
    }

    /// All members that have a broker.
    pub fn brokers(&self) -> NodeSet {
        self.config.guard.brokers
    }

    /// Whose broker has this number in Kafka.
    pub(super) fn member_of(&self, id: i32) -> Option<NodeId> {
        let mut members = self.place.cluster.members.iter();
        let owner = members.find(|member| member.broker.as_ref().is_some_and(|broker| broker.id == id));
        owner.map(|member| NodeId(member.id))
    }

    pub(super) fn rules(&self, gear: Gear) -> Rules {
        Rules {
            gear,
            lean_spare: self.settings.lean_spare,
            controller_spare: self.settings.controller_spare,
            ..Rules::LEAN
        }
    }

    pub(super) const fn sample(&self) -> Duration {
        span(self.settings.sample)
    }

    /// What becomes of clients that find the broker down.
    pub(super) const fn while_down(&self) -> WhileDown {
        while_down(self.config.guard.gear)
    }

    pub(super) const fn hold_max(&self) -> Duration {
        span(self.settings.hold_max)
    }

    pub(super) const fn load_max(&self) -> u32 {
        self.settings.load_max
    }

    /// Where its own broker is asked; empty if it has none.
    pub(super) fn itself(&self) -> String {
        self.own().map(|broker| broker.address.to_string()).unwrap_or_default()
    }

    /// Whom to ask about the cluster: others that are awake first, as what one is about to stop or has just started may be
    /// behind, and last those that may sleep. Among equals whoever could be read last: one that is cut off costs its deadline once.
    pub(super) fn kafka(&self, awake: NodeSet) -> String {
        let mut ranked = Vec::new();
        for member in &self.place.cluster.members {
            if let Some(broker) = &member.broker {
                let rank = match (member.id == self.place.me, awake.contains(NodeId(member.id))) {
                    (false, true) => 0,
                    (true, true) => 1,
                    (_, false) => 3,
                };
                ranked.push((rank, broker.address.to_string()));
            }
        }
        ranked.extend(self.settings.kafka.iter().map(|address| (2, address.to_string())));
        look::in_order(ranked, self.content().read_at.as_deref())
    }

    // --- what its tasks find out ----------------------------------------------------------------------------------------

    pub(super) fn has_power(&self, local: Arc<Local>, power: &Power) {
        let _ = self.power.set((local, status::power(power)));
    }

    pub(super) fn has_proxy(&self, proxy: Proxy) {
        let _ = self.proxy.set(proxy);
    }

    pub(super) fn has_sockets(&self, sockets: Sockets) {
        let _ = self.sockets.set(sockets);
    }

    /// Whether the broker's sockets are seen, if that is how its traffic is.
    pub(super) fn sight(&self) -> Option<watch::Receiver<Sight>> {
        self.sockets.get().map(Sockets::sight)
    }

    pub(super) fn power(&self) -> &'static str {
        self.power.get().map_or("", |(_, name)| name)
    }

    /// The cluster was read, or could not be. Each change of what is wrong is logged once.
    pub(super) fn saw(&self, wrong: Option<String>) {
        let mut content = self.content();
        if content.wrong == wrong {
            return;
        }
        match &wrong {
            Some(wrong) => tracing::warn!(wrong, "nobody is let sleep"),
            None => tracing::info!("the cluster is well"),
        }
        content.wrong = wrong;
    }

    /// Whose word the last reading of the cluster was.
    pub(super) fn read_at(&self, address: Option<&str>) {
        self.content().read_at = address.map(str::to_owned);
    }

    pub(super) fn has_traffic(&self) {
        self.content().traffic = Some(Instant::now());
    }

    pub(super) fn may_be_worked_on(&self) {
        self.content().workable = true;
    }

    pub(super) fn is_fit(&self, checks: Vec<Checked>) {
        self.content().fit = checks;
    }

    pub(super) fn alert(&self, node: NodeId) {
        self.content().alerts.insert(node);
    }

    /// Whether a peer has said something since then.
    pub(super) fn was_heard(&self, node: NodeId, since: Instant) -> bool {
        let board = self.place.board.lock();
        let peer = board.peers.get(&node.0);
        peer.and_then(|peer| peer.heard).is_some_and(|heard| heard > since)
    }

    // --- questions of clients -------------------------------------------------------------------------------------------

    fn desk(&self) -> &Desk {
        &self.place.desk
    }

    fn declined(&self, why: Fitness) {
        let mut content = self.content();
        let state = content.guard.as_ref().map(Guard::state);
        // A grant is repeated until its member is done with it.
        if why == Fitness::AnotherLock && matches!(state, Some(State::Draining { .. } | State::Maintenance)) {
            return;
        }
        *content.declined.entry(why.to_string()).or_default() += 1;
        drop(content);
        tracing::info!(%why, "did not take a grant");
    }

    fn refused(&self, request: RequestId, refusal: Refusal) {
        match refusal {
            Refusal::NotPehredar { leader } => self.desk().refused(request, Elected::NotLeader { leader }),
            Refusal::OldEpoch { .. }
            | Refusal::NotAwake { .. }
            | Refusal::InMaintenance
            | Refusal::Busy
            | Refusal::Unknown => self.desk().refuse(request, &refusal.to_string()),
        }
    }

    /// Answers those whose wish has come true.
    fn settle(&self, guard: &Guard) {
        let desk = self.desk();
        let (switch, round, state) = (guard.switch(), guard.round(), guard.state());
        desk.end(|_, ask| {
            let what = match ask {
                Ask::Enable { epoch } if switch == (*epoch, true) => "brokers may be let sleep",
                Ask::Disable if !switch.1 => "all is switched off, and all wake up",
                Ask::Wake { all: false } if matches!(state, State::Active | State::Waking) => {
                    "the broker is up, or being started"
                }
                Ask::Wake { all: true } => "all are being woken",
                Ask::Maintain { .. } if !round.is_empty() => "the round is decided",
                Ask::Maintained if state != State::Maintenance => "the broker is being started",
                Ask::StayAwake { on: true } => "its broker stays awake",
                Ask::StayAwake { on: false } => "its broker may sleep again",
                _ => return None,
            };
            Some(desk.done(ask, what))
        });
    }
}

impl Host<Sleep> for Agent {
    fn started(&self, state: &Sleep) {
        self.content().gated.clear();
        self.say(Word::Life);
        self.look(state);
    }

    fn event(&self, event: Event) {
        let Event::Guard(event) = event else { return };
        match event {
            guard::Event::Look { gear, awake } => self.say(Word::Look(gear, awake)),
            guard::Event::Stop => self.content().gated.push(Deed::Stop),
            guard::Event::Sleep { alarm } => self.content().gated.push(Deed::Sleep(alarm)),
            guard::Event::Maintain => self.content().gated.push(Deed::Maintain),
            guard::Event::Watching { term } => tracing::info!(term = term.0, "WATCHES"),
            // For the log, and never said here.
            guard::Event::Propose(_) | guard::Event::Yield => {}
        }
    }

    fn report(&self, report: Report) {
        let Report::Guard(report) = report else { return };
        match report {
            guard::Report::Start => {
                self.content().gated.clear();
                self.say(Word::Do(Deed::Start));
            }
            guard::Report::Rouse { node } => self.say(Word::Rouse(node)),
            guard::Report::Alert { node } => {
                tracing::error!(
                    node = node.0,
                    "ALERT: it does not wake up, or is silent: a person should look"
                );
                self.alert(node);
            }
            guard::Report::StoppedWatching { term } => tracing::info!(term = term.0, "watches no more"),
            guard::Report::Temporary => tracing::warn!("no Pehredar is known: wakes all"),
            guard::Report::Declined { why } => self.declined(why),
            guard::Report::Refused { request, refusal } => self.refused(request, refusal),
        }
    }

    fn look(&self, state: &Sleep) {
        let guard = state.duty();
        let mut content = self.content();
        content.take_over(guard);
        let gated = std::mem::take(&mut content.gated);
        drop(content);
        for deed in gated.into_iter().filter(|deed| is_wanted(*deed, guard.state())) {
            self.say(Word::Do(deed));
        }
        self.settle(guard);
    }

    fn answer(&self, ask: &Ask) -> Option<Reply> {
        matches!(ask, Ask::SelfCheck).then(|| status::self_check(self))
    }

    fn tell(&self, status: &mut Status) {
        status::tell(self, status);
    }

    async fn serve(self: Arc<Self>) -> Result<(), String> {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let inbox = inbox.ok_or("the agent was started twice")?;
        serve(self, inbox).await
    }

    /// Whoever sleeps is started: nobody else can do it when this is gone.
    async fn leave(&self) {
        let sleeps = || {
            let content = self.content();
            let state = content.guard.as_ref().map(Guard::state);
            matches!(state, Some(State::Draining { .. } | State::Sleeping | State::Ringing))
        };
        let Some((local, _)) = self.power.get().filter(|_| sleeps()) else {
            return;
        };
        tracing::info!("starts its broker, as nobody else can when the agent is gone");
        let order = Mail::Command(OWN, Command::Order(Order::Wake));
        if self.letters.send(order).await.is_err() {
            return;
        }
        let up = async {
            while sleeps() || !local.is_up().await.unwrap_or(false) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let patience = LEAVE + span(self.config.guard.timing.drain);
        if tokio::time::timeout(patience, up).await.is_err() {
            tracing::error!("the broker is not up: start this agent again, or the broker by hand");
        }
    }
}

/// Whether the node still wants this.
const fn is_wanted(deed: Deed, state: State) -> bool {
    match deed {
        Deed::Start => true,
        Deed::Stop => matches!(
            state,
            State::Draining {
                stage: Stage::Stopping,
                ..
            }
        ),
        Deed::Sleep(_) => matches!(state, State::Sleeping),
        Deed::Maintain => matches!(state, State::Maintenance),
    }
}

/// In lean gear others lead what this one led, from the moment it goes down until long after it is back: whoever comes with old news is
/// refused, and finds them. To hold it until this broker is up would only keep it from them, for seconds.
const fn while_down(gear: Gear) -> WhileDown {
    match gear {
        Gear::Lean => WhileDown::Refuse,
        Gear::Full | Gear::Watch => WhileDown::Ask,
    }
}

impl Content {
    /// The node's guard duty is like this now.
    fn take_over(&mut self, guard: &Guard) {
        let now = Instant::now();
        let kind = |guard: &Guard| std::mem::discriminant(&guard.state());
        let before = self.guard.as_ref();
        let changed = before.is_none_or(|before| kind(before) != kind(guard));
        if changed {
            self.since = Some(now);
            self.workable = false;
            tracing::info!(state = ?guard.state(), "its broker");
        }
        match guard.state() {
            State::Sleeping if self.asleep.is_none() => {
                self.asleep = Some(now);
                self.sleeps += 1;
            }
            State::Waking | State::Active => {
                if let Some(since) = self.asleep.take() {
                    self.asleep_for += now - since;
                    self.wakes += 1;
                }
            }
            // Between two sleeps, after its alarm clock rang, its broker is down all the while.
            State::Sleeping | State::Ringing | State::Draining { .. } | State::Maintenance => {}
        }
        let given = |guard: &Guard| match guard.role() {
            Role::Pehredar(watch) => watch.given(),
            Role::None | Role::Temporary => None,
        };
        if let Some(new) = given(guard)
            && before.and_then(given) != Some(new)
        {
            self.grants += 1;
            let what = match new.purpose {
                Purpose::Sleep => "sleep",
                Purpose::Maintenance => "be worked on",
            };
            tracing::info!(node = new.node.0, "lets it {what}");
        }
        if let Role::Pehredar(watch) = guard.role() {
            self.alerts = self.alerts.minus(watch.active());
        }
        self.guard = Some(guard.clone());
    }
}
