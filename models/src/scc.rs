//! Strongly connected components of a part of the graph, without recursion.

use crate::graph::Edges;

/// Finds components of regions. One value serves many searches, as its arrays are as long as the graph.
pub(crate) struct Components<'e> {
    edges: &'e Edges,
    /// Which region a state belongs to; 0 is none.
    region: Vec<u32>,
    regions: u32,
    order: Vec<u32>,
    low: Vec<u32>,
}

const UNSEEN: u32 = 0;
const DONE: u32 = u32::MAX;

impl<'e> Components<'e> {
    pub(crate) fn new(edges: &'e Edges, states: usize) -> Self {
        Self {
            edges,
            region: vec![0; states],
            regions: 0,
            order: vec![UNSEEN; states],
            low: vec![0; states],
        }
    }

    /// Makes these states a region of their own, out of whatever region they were in.
    pub(crate) fn enclose(&mut self, members: &[u32]) -> u32 {
        self.regions += 1;
        for &state in members {
            self.region[state as usize] = self.regions;
            self.order[state as usize] = UNSEEN;
        }
        self.regions
    }

    pub(crate) fn inside(&self, state: u32, region: u32) -> bool {
        self.region[state as usize] == region
    }

    /// Tarjan's algorithm: hands over each component of the region once. A state alone is a component.
    pub(crate) fn each(&mut self, members: &[u32], region: u32, mut visit: impl FnMut(&[u32])) {
        let mut clock = UNSEEN;
        let mut open: Vec<u32> = Vec::new();
        let mut calls: Vec<(u32, usize)> = Vec::new();
        for &root in members {
            if self.order[root as usize] != UNSEEN {
                continue;
            }
            self.enter(root, &mut clock, &mut open, &mut calls);
            while let Some(&mut (state, ref mut edge)) = calls.last_mut() {
                let range = self.edges.range(state);
                if *edge < range.end {
                    let target = self.edges.target(*edge);
                    *edge += 1;
                    let seen = self.order[target as usize];
                    if !self.inside(target, region) || seen == DONE {
                        continue;
                    }
                    if seen == UNSEEN {
                        self.enter(target, &mut clock, &mut open, &mut calls);
                    } else {
                        self.lower(state, seen);
                    }
                    continue;
                }
                calls.pop();
                let low = self.low[state as usize];
                if let Some(&(caller, _)) = calls.last() {
                    self.lower(caller, low);
                }
                if low == self.order[state as usize] {
                    let start = open
                        .iter()
                        .rposition(|&other| other == state)
                        .expect("a root is still open");
                    visit(&open[start..]);
                    for member in open.drain(start..) {
                        self.order[member as usize] = DONE;
                    }
                }
            }
        }
    }

    fn enter(&mut self, state: u32, clock: &mut u32, open: &mut Vec<u32>, calls: &mut Vec<(u32, usize)>) {
        *clock += 1;
        self.order[state as usize] = *clock;
        self.low[state as usize] = *clock;
        open.push(state);
        calls.push((state, self.edges.range(state).start));
    }

    fn lower(&mut self, state: u32, to: u32) {
        let low = &mut self.low[state as usize];
        *low = (*low).min(to);
    }
}
