//! A member that comes back with nothing is fed from the beginning, although its leader knew it to hold everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm
)]

use pehra_core::election::{self, Timer, Timing};
use pehra_core::members::NodeSet;
use pehra_core::node::{Desk, GateBound, Node, Output};
use pehra_core::protocol::{Image, Input, Recovered};
use pehra_core::replication::{Command, Config, LogImage, Message, Replication};
use pehra_core::types::{NodeId, RequestId};

struct Member {
    config: Config,
    node: Node<Replication<u8>>,
    image: LogImage<u8>,
    desk: Desk<Replication<u8>>,
}

type Letter = (NodeId, NodeId, Message<u8>);

impl Member {
    fn start(me: u16, recovered: Recovered<pehra_core::replication::Durable>) -> Self {
        let config = Config::new(election::Config {
            pre_vote: false,
            ..election::Config::new(NodeId(me), NodeSet::first(3), Timing::LAN)
        });
        let mut desk = Desk::default();
        let node = Node::recover(&config, GateBound::DEPLOYED, recovered, &mut desk);
        Self {
            config,
            node,
            image: LogImage::default(),
            desk,
        }
    }

    /// Feeds an input and performs all that follows, with a disk and a store that are done at once.
    fn feed(&mut self, input: Input<Replication<u8>>, mail: &mut Vec<Letter>) {
        let _ = self.node.step(&self.config, input, &mut self.desk);
        loop {
            let (mut commits, mut fetched) = (0, Vec::new());
            for output in self.desk.outputs() {
                match output {
                    Output::Notice { to, notice, .. } => mail.push((self.config.election.me, to, notice.into())),
                    Output::Claim { to, claim, .. } => mail.push((self.config.election.me, to, claim.into())),
                    Output::Record { record, .. } => self.image.apply(&record),
                    Output::Commit { .. } => commits += 1,
                    Output::Fetch { query, .. } => fetched.push(query),
                    Output::Fault { broken, .. } => panic!("{broken}"),
                    _ => {}
                }
            }
            if commits == 0 && fetched.is_empty() {
                return;
            }
            for _ in 0..commits {
                self.node.persisted(&self.config, &mut self.desk);
            }
            for query in fetched {
                let rows = self.image.answer(&query);
                let _ = self
                    .node
                    .step(&self.config, Input::Fetched { query, rows }, &mut self.desk);
            }
        }
    }
}

fn deliver(members: &mut [Member], mail: &mut Vec<Letter>) {
    while !mail.is_empty() {
        let (from, to, message) = mail.remove(0);
        members[usize::from(to.0)].feed(Input::Received { from, message }, mail);
    }
}

#[test]
fn who_comes_back_with_nothing_is_fed_from_the_beginning() {
    let mut members: Vec<Member> = (0..3).map(|me| Member::start(me, Recovered::Fresh)).collect();
    let mut mail = Vec::new();
    for member in &mut members {
        member.feed(Input::Fired(Timer::Election), &mut mail);
    }
    members[0].feed(Input::Fired(Timer::Election), &mut mail);
    deliver(&mut members, &mut mail);
    for number in 1..=5 {
        let propose = Input::Commanded(RequestId(number), Command::Propose(1));
        members[0].feed(propose, &mut mail);
        deliver(&mut members, &mut mail);
    }
    assert!(members.iter().all(|member| member.node.state().applied().0 == 6));

    members[2] = Member::start(2, Recovered::Lost);
    for up in [false, true] {
        members[0].feed(Input::Link { peer: NodeId(2), up }, &mut mail);
    }
    members[0].feed(Input::Fired(Timer::Heartbeat), &mut mail);
    deliver(&mut members, &mut mail);
    members[0].feed(Input::Fired(Timer::Heartbeat), &mut mail);
    deliver(&mut members, &mut mail);
    assert_eq!(members[2].image.entries, members[0].image.entries);
    assert_eq!(members[2].node.state().applied().0, 6);
}
