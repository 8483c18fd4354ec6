//! What may happen in a state.

use pehra_core::members::NodeSet;
use pehra_core::sleep::guard::{Message, Notice, Role, State as Broker, Timer};
use pehra_core::types::NodeId;

use super::net::Letter;
use super::state::{Action, Process, State};
use super::world::World;

impl World {
    /// All that could happen now, before asking whether it would change anything.
    pub(super) fn candidates(&self, state: &State, actions: &mut Vec<Action>) {
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

    fn is_deaf(&self, state: &State, member: u8) -> bool {
        self.bounds.deaf && state.guard(member).state() == Broker::Sleeping
    }

    fn is_gone(&self, state: &State, member: u8) -> bool {
        self.bounds.gone.contains(NodeId(member.into())) && state.guard(member).state() == Broker::Sleeping
    }

    /// Where machines may be gone: whether all who are being woken are.
    pub(super) fn calls_in_vain(&self, state: &State, member: u8) -> bool {
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
                && self.may_vote(state)
                && votes.iter().all(awake)
            {
                actions.push(Action::Elect(member, votes));
            }
        }
    }

    /// After the calm nobody is elected while a leader leads and does not let another lead; in a loyal world never.
    fn may_vote(&self, state: &State) -> bool {
        let leads = |leader: &u8| {
            let around = state.at(*leader);
            around.heard && around.term == state.top() && !around.yields
        };
        !(state.calm || self.bounds.loyal) || (!state.leaders.last().is_some_and(leads))
    }
}
