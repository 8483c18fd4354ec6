//! How a process's loop turns: what `pehra-driver` promises a protocol.
//!
//! After a standstill the protocol is told first; then the timers that are due fire, oldest first; then what the store
//! has done is reported; then comes mail, while the gate has room. Draws are answered right after the step.

use pehra_core::members::Order;
use pehra_core::node::{Node, Output, Taken};
use pehra_core::protocol::{Draw, Drawn, Image, Input, Protocol};
use pehra_core::types::{NodeId, Term};

use super::cluster::{Cluster, Due};
use super::disk::{Done, Job};
use super::machine::{Mail, Process};
use super::random::spread;
use super::watch::{Sight, Watch};

impl<P: Protocol, I: Image<P>, W: Watch<P, I>> Cluster<P, I, W> {
    /// A process begins with what is on the disk.
    pub(super) fn recover(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        machine.lives += 1;
        machine.suspended = false;
        let recovered = machine.disk.image.summary();
        let node = Node::recover(machine.config(), self.setting.gate, recovered, &mut self.desk);
        machine.process = Some(Process::new(node, self.now));
        self.see(at, &Sight::Started);
        self.perform(at);
        self.judge(at);
        self.set_alarm(at);
    }

    /// One turn of the loop, with all that is there for it.
    pub(super) fn turn(&mut self, at: usize) {
        if !self.machines[at].runs() {
            return;
        }
        self.fire_due(at);
        while let Some(done) = self.process(at).and_then(|process| process.done.pop_front()) {
            self.on_done(at, done);
        }
        while let Some(mail) = self
            .process(at)
            .filter(|process| !process.node.is_full())
            .and_then(|process| process.mail.pop_front())
        {
            self.on_mail(at, mail);
        }
        self.set_alarm(at);
    }

    /// What the disk has done goes to the process, and the disk goes on with what has gathered: the store's thread is
    /// part of the process, so not while that is frozen.
    pub(super) fn disk_says(&mut self, at: usize, done: Option<Done<P>>) {
        if let (Some(done), Some(process)) = (done, &mut self.machines[at].process) {
            process.done.push_back(done);
        }
        self.start_disk(at);
        self.turn(at);
    }

    pub(super) fn start_disk(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        if machine.runs()
            && let Some(takes) = machine.disk.begin()
        {
            let life = machine.lives;
            self.agenda.enter(self.now + takes, Due::DiskDone { at, life });
        }
    }

    /// The process, unless the run is over.
    fn process(&mut self, at: usize) -> Option<&mut Process<P>> {
        let going = self.failure.is_none();
        self.machines[at].process.as_mut().filter(|_| going)
    }

    fn set_alarm(&mut self, at: usize) {
        let life = self.machines[at].lives;
        if let Some(process) = &mut self.machines[at].process
            && let Some(next) = process.next_timer()
            && process.alarm.is_none_or(|alarm| next < alarm)
        {
            process.alarm = Some(next);
            self.agenda.enter(next.max(self.now), Due::Alarm { at, life });
        }
    }

    fn fire_due(&mut self, at: usize) {
        let (now, pause) = (self.now, self.setting.pause);
        let Some(process) = self.process(at) else {
            return;
        };
        let next = process.next_timer();
        let expected = next.unwrap_or(now).max(process.awake);
        process.awake = now;
        if now - expected > pause {
            self.trace_input(at, "was frozen for long");
            self.feed(at, Input::Paused);
        } else if next.is_none_or(|next| next > now) {
            return;
        }
        let mut due = Vec::new();
        if let Some(process) = self.process(at) {
            process.due(now, &mut due);
        }
        for (when, timer) in due {
            if self.process(at).is_some_and(|process| process.take(timer, when)) {
                self.feed(at, Input::Fired(timer));
            }
        }
    }

    fn on_done(&mut self, at: usize, done: Done<P>) {
        match done {
            Done::Persisted(commits) => {
                for _ in 0..commits {
                    let machine = &mut self.machines[at];
                    if let Some(process) = &mut machine.process {
                        process.node.persisted(&machine.config, &mut self.desk);
                        self.perform(at);
                        self.judge(at);
                    }
                }
            }
            Done::Fetched(query, rows) => self.feed(at, Input::Fetched { query, rows }),
            Done::Stalled(short) => self.feed(at, Input::Stalled(short)),
        }
    }

    fn on_mail(&mut self, at: usize, mail: Mail<P>) {
        let input = match mail {
            Mail::Message(from, message) => {
                self.see(at, &Sight::Hears(from, &message));
                Input::Received { from, message }
            }
            Mail::Command(request, command) => {
                let id = self.machines[at].id;
                self.trace(format_args!("{id} is asked {command:?}"));
                Input::Commanded(request, command)
            }
            Mail::Link(peer, up) => {
                self.trace_input(
                    at,
                    format_args!("is told that {peer} {}", if up { "came" } else { "went" }),
                );
                Input::Link { peer, up }
            }
        };
        self.feed(at, input);
    }

    fn trace_input(&mut self, at: usize, what: impl std::fmt::Display) {
        let id = self.machines[at].id;
        self.trace(format_args!("{id} {what}"));
    }

    fn feed(&mut self, at: usize, input: Input<P>) {
        let machine = &mut self.machines[at];
        let Some(process) = &mut machine.process else {
            return;
        };
        if let Input::Fired(timer) = &input {
            let (id, timer) = (machine.id, *timer);
            if process.node.step(&machine.config, input, &mut self.desk) == Taken::No {
                return;
            }
            self.trace(format_args!("{id} fires {timer:?}"));
        } else if process.node.step(&machine.config, input, &mut self.desk) == Taken::No {
            return;
        }
        self.perform(at);
        self.judge(at);
    }

    fn perform(&mut self, at: usize) {
        let mut desk = std::mem::take(&mut self.desk);
        for output in desk.outputs() {
            match output {
                Output::Notice { to, notice, .. } => {
                    self.see(at, &Sight::Notice(to, &notice));
                    let heard = (self.voice.notice)(notice);
                    self.send(at, to, heard);
                }
                Output::Claim { to, claim, .. } => {
                    self.see(at, &Sight::Claim(to, &claim));
                    let heard = (self.voice.claim)(claim);
                    self.send(at, to, heard);
                }
                Output::Emit { event, .. } => self.see(at, &Sight::Event(&event)),
                Output::Report { report, .. } => self.see(at, &Sight::Report(&report)),
                Output::Fault { broken, .. } => {
                    let id = self.machines[at].id;
                    self.fail(format!("{id} has stopped: {broken}"));
                }
                local => self.perform_here(at, local),
            }
        }
        self.desk = desk;
        while let Some(draw) = self.process(at).and_then(|process| process.draws.pop()) {
            let drawn = self.draw(draw);
            self.feed(at, Input::Drawn(drawn));
        }
    }

    /// What stays on the machine.
    fn perform_here(&mut self, at: usize, output: Output<P>) {
        let machine = &mut self.machines[at];
        let Some(process) = &mut machine.process else {
            return;
        };
        match output {
            Output::Record { record, .. } => process.records.push(record),
            Output::Commit { .. } => {
                let records = std::mem::take(&mut process.records);
                machine.disk.ask(Job::Commit(records));
                self.start_disk(at);
            }
            Output::Fetch { query, .. } => {
                machine.disk.ask(Job::Fetch(query));
                self.start_disk(at);
            }
            Output::Arm { timer, after, .. } => {
                let when = machine.goes_off(self.now, after);
                if let Some(process) = &mut machine.process {
                    process.arm(timer, when);
                }
            }
            Output::Disarm { timer, .. } => process.disarm(timer),
            Output::Draw { draw, .. } => process.draws.push(draw),
            Output::Notice { .. }
            | Output::Claim { .. }
            | Output::Emit { .. }
            | Output::Report { .. }
            | Output::Fault { .. } => {}
        }
    }

    fn draw(&mut self, draw: Draw) -> Drawn {
        match draw {
            // Different numbers spread to different numbers, and only zero to zero.
            Draw::Nonce => {
                self.nonces += 1;
                Drawn::Nonce(spread(self.nonces))
            }
            Draw::Order { term } => Drawn::Order {
                term,
                order: self.order(term),
            },
        }
    }

    /// The order drawn for a term: the same on every machine, another in another world.
    #[must_use]
    pub fn order(&self, term: Term) -> Order {
        let key = spread(self.seed).wrapping_add(term.0);
        let mut ids: Vec<NodeId> = self.ids().collect();
        ids.sort_by_key(|id| spread(spread(key).wrapping_add(u64::from(id.0))));
        Order::new(ids)
    }

    fn send(&mut self, from: usize, to: NodeId, message: P::Heard) {
        let sender = self.machines[from].id;
        let Some(place) = self.machines.iter().position(|machine| machine.id == to) else {
            self.fail(format!("{sender} speaks to {to}, who is not in this cluster"));
            return;
        };
        if place == from {
            self.fail(format!("{sender} speaks to itself"));
            return;
        }
        let receiver = &self.machines[place];
        let (life, lives) = (receiver.lives, receiver.process.is_some());
        let arrival = self.links[from * self.machines.len() + place].carry(self.now);
        let Some((first, second)) = arrival.filter(|_| lives) else {
            self.trace(format_args!("{sender} -> {to} is lost"));
            return;
        };
        if let Some(second) = second {
            let mail = Mail::Message(sender, message.clone());
            self.agenda.enter(second, Due::Post { to: place, life, mail });
        }
        let mail = Mail::Message(sender, message);
        self.agenda.enter(first, Due::Post { to: place, life, mail });
    }
}
