//! Those who look on.

use std::fmt::Arguments;

use pehra_core::protocol::Protocol;
use pehra_core::types::NodeId;

use super::machine::Machine;
use super::time::Time;

/// Something that can be seen from outside.
#[derive(Debug)]
pub enum Sight<'a, P: Protocol> {
    /// The process starts.
    Started,
    /// The process has died.
    Died,
    /// The process is frozen.
    Paused,
    /// The process goes on.
    Resumed,
    /// It takes a message in.
    Hears(NodeId, &'a P::Heard),
    /// It sends a notice.
    Notice(NodeId, &'a P::Notice),
    /// It sends a claim.
    Claim(NodeId, &'a P::Claim),
    /// It tells its shell what holds.
    Event(&'a P::Event),
    /// It tells its shell at once.
    Report(&'a P::Report),
}

/// All machines, to look at.
pub struct View<'a, P: Protocol, I> {
    /// Now.
    pub now: Time,
    /// Every machine, whether its process runs or not.
    pub machines: &'a [Machine<P, I>],
}

impl<'a, P: Protocol, I> View<'a, P, I> {
    /// One machine.
    #[must_use]
    pub fn machine(&self, id: NodeId) -> Option<&'a Machine<P, I>> {
        self.machines.iter().find(|machine| machine.id == id)
    }

    /// The states of the processes that live, frozen ones too.
    pub fn living(&self) -> impl Iterator<Item = (NodeId, &'a P)> + use<'a, P, I> {
        let machines = self.machines;
        machines
            .iter()
            .filter_map(|machine| Some((machine.id, machine.state()?)))
    }
}

/// Looks on, and judges.
pub trait Watch<P: Protocol, I> {
    /// Sees one thing happen at one node.
    fn see(&mut self, view: &View<'_, P, I>, node: NodeId, sight: &Sight<'_, P>) {
        let _ = (view, node, sight);
    }

    /// Is asked after every step of `stepped` whether all is as it should be.
    ///
    /// # Errors
    /// What is not: the run ends.
    fn judge(&mut self, view: &View<'_, P, I>, stepped: NodeId) -> Result<(), String> {
        let _ = (view, stepped);
        Ok(())
    }
}

impl<P: Protocol, I> Watch<P, I> for () {}

/// Where the lines of a trace go.
pub type Sink = Box<dyn FnMut(Time, Arguments<'_>)>;
