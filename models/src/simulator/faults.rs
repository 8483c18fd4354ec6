//! The harm that a script can do, and how it is mended.

use pehra_core::protocol::{Image, Protocol};
use pehra_core::types::NodeId;

use super::cluster::{Cluster, Due};
use super::disk::{Done, Latency};
use super::machine::Mail;
use super::network::Quality;
use super::time::ClockRate;
use super::watch::{Sight, Watch};

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Death {
    /// It alone: its machine closes its connections, and peers that can be reached are told.
    Seen,
    /// With its machine, or with the cable: nobody is told.
    Silent,
}

/// What becomes of the commits under way when a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keep {
    /// So many, drawn from the seed, are durable.
    Drawn,
    /// The first so many are durable.
    First(usize),
}

impl<P: Protocol, I: Image<P>, W: Watch<P, I>> Cluster<P, I, W> {
    /// Starts a process on every machine, in order, where none lives.
    pub fn start_all(&mut self) {
        for at in 0..self.machines.len() {
            self.start_at(at);
        }
    }

    /// Starts a process, if none lives there. It and its peers learn of each other.
    pub fn start(&mut self, id: NodeId) {
        let at = self.place(id);
        self.start_at(at);
    }

    fn start_at(&mut self, at: usize) {
        if self.machines[at].process.is_some() {
            return;
        }
        self.recover(at);
        for peer in 0..self.machines.len() {
            if peer != at && self.machines[peer].process.is_some() {
                self.tell(peer, at, true);
                self.tell(at, peer, true);
            }
        }
    }

    /// Ends a process, with any of the commits under way.
    pub fn kill(&mut self, id: NodeId, death: Death) {
        self.kill_keeping(id, death, Keep::Drawn);
    }

    /// Ends a process.
    pub fn kill_keeping(&mut self, id: NodeId, death: Death, keep: Keep) {
        let at = self.place(id);
        let machine = &mut self.machines[at];
        if machine.process.take().is_none() {
            return;
        }
        let under_way = machine.disk.commits_under_way();
        let kept = match keep {
            Keep::Drawn => usize::try_from(machine.chance.between(0, under_way as u64)).unwrap_or(0),
            Keep::First(kept) => kept,
        };
        machine.disk.lose(kept);
        self.see(at, &Sight::Died);
        if death == Death::Seen {
            for peer in (0..self.machines.len()).filter(|peer| *peer != at) {
                self.tell(peer, at, false);
            }
        }
    }

    /// The news about a connection travels from `about` to `to`.
    fn tell(&mut self, to: usize, about: usize, up: bool) {
        let id = self.machines[about].id;
        let delay = self.machines[about].chance.within(self.setting.news);
        let link = &mut self.links[about * self.machines.len() + to];
        if let Some(arrival) = link.carry_news(self.now) {
            let life = self.machines[to].lives;
            let mail = Mail::Link(id, up);
            self.agenda.enter(arrival + delay, Due::Post { to, life, mail });
        }
    }

    /// Tells a node, rightly or wrongly, that a peer came or went.
    pub fn hint(&mut self, id: NodeId, peer: NodeId, up: bool) {
        let to = self.place(id);
        self.post(to, Mail::Link(peer, up));
    }

    /// Freezes a process: nothing of it runs, and what comes for it queues.
    pub fn pause(&mut self, id: NodeId) {
        let at = self.place(id);
        if let Some(process) = self.machines[at].process.as_mut().filter(|process| !process.paused) {
            process.paused = true;
            self.see(at, &Sight::Paused);
        }
    }

    /// Lets a frozen process go on.
    pub fn resume(&mut self, id: NodeId) {
        let at = self.place(id);
        if let Some(process) = self.machines[at].process.as_mut().filter(|process| process.paused) {
            process.paused = false;
            self.see(at, &Sight::Resumed);
            self.disk_says(at, None);
        }
    }

    /// Suspends a machine: its process is frozen, and unlike then, what comes for it is lost, as is what it has not read.
    pub fn suspend(&mut self, id: NodeId) {
        let at = self.place(id);
        self.machines[at].suspended = true;
        if let Some(process) = &mut self.machines[at].process {
            process.mail.clear();
        }
        self.pause(id);
    }

    /// A suspended machine is back: its process goes on where it was.
    pub fn come_back(&mut self, id: NodeId) {
        let at = self.place(id);
        self.machines[at].suspended = false;
        self.resume(id);
    }

    /// Cuts or mends one direction. Nobody is told.
    pub fn link(&mut self, from: NodeId, to: NodeId, up: bool) {
        let (from_at, to_at) = (self.place(from), self.place(to));
        let link = &mut self.links[from_at * self.machines.len() + to_at];
        if link.up != up {
            link.up = up;
            self.trace(format_args!(
                "-- {from} -> {to} is {}",
                if up { "mended" } else { "cut" }
            ));
        }
    }

    /// Cuts both directions.
    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.link(a, b, false);
        self.link(b, a, false);
    }

    /// Mends both directions.
    pub fn mend(&mut self, a: NodeId, b: NodeId) {
        self.link(a, b, true);
        self.link(b, a, true);
    }

    /// Cuts a node off from all others.
    pub fn isolate(&mut self, id: NodeId) {
        let all: Vec<NodeId> = self.ids().collect();
        all.into_iter()
            .filter(|peer| *peer != id)
            .for_each(|peer| self.cut(id, peer));
    }

    /// Mends every link.
    pub fn mend_all(&mut self) {
        let all: Vec<NodeId> = self.ids().collect();
        for from in &all {
            all.iter()
                .filter(|to| *to != from)
                .for_each(|to| self.link(*from, *to, true));
        }
    }

    /// Leaves exactly these pairs linked, both ways.
    pub fn link_only(&mut self, pairs: &[(NodeId, NodeId)]) {
        let all: Vec<NodeId> = self.ids().collect();
        for from in &all {
            for to in all.iter().filter(|to| *to != from) {
                let up = pairs.iter().any(|pair| *pair == (*from, *to) || *pair == (*to, *from));
                self.link(*from, *to, up);
            }
        }
    }

    /// How one direction treats what it carries.
    #[must_use]
    pub fn quality(&self, from: NodeId, to: NodeId) -> Quality {
        self.links[self.place(from) * self.machines.len() + self.place(to)].quality
    }

    /// Changes how one direction treats what it carries.
    pub fn set_quality(&mut self, from: NodeId, to: NodeId, quality: Quality) {
        let (from_at, to_at) = (self.place(from), self.place(to));
        self.links[from_at * self.machines.len() + to_at].quality = quality;
        self.trace(format_args!("-- {from} -> {to} is now {quality:?}"));
    }

    /// Changes how every link treats what it carries.
    pub fn set_quality_of_all(&mut self, quality: Quality) {
        self.links.iter_mut().for_each(|link| link.quality = quality);
        self.trace(format_args!("-- every link is now {quality:?}"));
    }

    /// Changes how long a disk takes.
    pub fn set_disk(&mut self, id: NodeId, latency: Latency) {
        let at = self.place(id);
        self.machines[at].disk.latency = latency;
        self.trace(format_args!("-- the disk of {id} is now {latency:?}"));
    }

    /// A disk stands still: no write ends.
    pub fn stall_disk(&mut self, id: NodeId) {
        let at = self.place(id);
        self.machines[at].disk.stalled = true;
        self.trace(format_args!("-- the disk of {id} stands still"));
    }

    /// A disk that stood still moves again.
    pub fn free_disk(&mut self, id: NodeId) {
        let at = self.place(id);
        self.trace(format_args!("-- the disk of {id} moves again"));
        let done = self.machines[at].disk.move_again();
        self.disk_says(at, done);
    }

    /// A store, to be harmed while no process uses it.
    pub fn image_mut(&mut self, id: NodeId) -> &mut I {
        let at = self.place(id);
        self.trace(format_args!("-- the store of {id} is harmed"));
        &mut self.machines[at].disk.image
    }

    /// The store says that space is short, or no longer is.
    pub fn short_of_space(&mut self, id: NodeId, short: bool) {
        let at = self.place(id);
        self.disk_says(at, Some(Done::Stalled(short)));
    }

    /// Changes how fast a machine's clock runs, for timers armed from now on.
    pub fn set_clock(&mut self, id: NodeId, ppm: i32) {
        let at = self.place(id);
        self.machines[at].clock = ClockRate { ppm };
        self.trace(format_args!("-- the clock of {id} is off by {ppm} ppm"));
    }
}
