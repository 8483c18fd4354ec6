//! Links between agents that can be cut: a TCP proxy on loopback for each two of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pehra_testbed::proxy::{Direction, Proxy};

/// By the lower and the higher number of both; the higher one dials.
pub struct Links(BTreeMap<(u16, u16), Proxy>);

impl Links {
    /// Puts a proxy between each two of these, who listen there, and hands out what each of them has to be told of the others: for its
    /// own number, pairs of where another one listens and where it is to be dialled.
    pub fn between(agents: &BTreeMap<u16, SocketAddr>) -> (Self, BTreeMap<u16, Vec<(SocketAddr, SocketAddr)>>) {
        let (mut proxies, mut told) = (BTreeMap::new(), BTreeMap::new());
        for dialler in agents.keys() {
            let mut dials = Vec::new();
            for (dialled, address) in agents.range(..dialler) {
                let proxy = Proxy::start(*address);
                dials.push((*address, proxy.address()));
                proxies.insert((*dialled, *dialler), proxy);
            }
            told.insert(*dialler, dials);
        }
        (Self(proxies), told)
    }

    /// Nothing reaches this one any more, nor anybody from it, and nobody is told.
    pub fn part(&self, one: u16) {
        let its = self.0.iter().filter(|((low, high), _)| *low == one || *high == one);
        its.for_each(|(_, proxy)| proxy.stall(Direction::Both));
    }

    /// As before. What was said meanwhile is gone, with the connections that it was said over.
    pub fn heal(&self) {
        for proxy in self.0.values() {
            proxy.cut();
            proxy.resume();
        }
    }
}
