//! What comes of an action.

use pehra_core::members::NodeSet;
use pehra_core::protocol::Input;
use pehra_core::sleep::guard::{Command, News, Order, Timer};
use pehra_core::types::{NodeId, RequestId, Term};

use super::net::Net;
use super::state::{Action, Decided, Left, Process, State};
use super::steps::What;
use super::world::World;
use crate::kafka::Step;

impl World {
    /// The state after this action; nothing if it cannot happen now.
    pub(super) fn apply(&self, before: &State, action: &Action) -> Option<State> {
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

    pub(super) fn change_net(&self, state: &mut State, change: impl FnOnce(&mut Net)) {
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
}
