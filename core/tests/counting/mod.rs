//! An allocator that counts, and a node whose steps are counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pehra_core::node::{Desk, GateBound, Node, Output, Taken as Fed};
use pehra_core::protocol::{Input, Protocol, Recovered};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

fn note(count: u64, bytes: i64) {
    // After the thread's own end there is nothing left to count for.
    let _ = COUNT.try_with(|cell| cell.set(cell.get() + count));
    let _ = BYTES.try_with(|cell| cell.set(cell.get() + bytes));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many bytes this thread holds more than it has given back.
pub fn held_bytes() -> i64 {
    BYTES.get()
}

/// How often `act` allocates.
pub fn allocations<T>(act: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.get();
    let result = act();
    (COUNT.get() - before, result)
}

/// A node whose outputs are dropped but for those that the test asks for, and whose disk is always done at once.
pub struct Bench<P: Protocol> {
    pub config: P::Config,
    pub node: Node<P>,
    desk: Desk<P>,
    /// Fetches that were not answered yet.
    pub asked: Vec<P::Query>,
    /// Allocations within `step` and `persisted`.
    pub counted: u64,
}

impl<P: Protocol> Bench<P> {
    pub fn new(config: P::Config, recovered: Recovered<P::Durable>) -> Self {
        let mut desk = Desk::default();
        let node = Node::recover(&config, GateBound::DEPLOYED, recovered, &mut desk);
        let mut bench = Self {
            config,
            node,
            desk,
            asked: Vec::new(),
            counted: 0,
        };
        bench.settle();
        bench
    }

    pub fn feed(&mut self, input: Input<P>) {
        let (count, fed) = allocations(|| self.node.step(&self.config, input, &mut self.desk));
        assert_eq!(fed, Fed::Yes);
        self.counted += count;
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            for output in self.desk.outputs() {
                if let Output::Fetch { query, .. } = output {
                    self.asked.push(query);
                }
            }
            if self.node.open_commits() == 0 {
                return;
            }
            let (count, ()) = allocations(|| self.node.persisted(&self.config, &mut self.desk));
            self.counted += count;
        }
    }

    /// Asserts that the inputs of a round allocate nothing once two rounds have warmed it up.
    pub fn assert_warm(&mut self, what: &str, mut round: impl FnMut(&mut Self, u64)) {
        (0..4).for_each(|n| round(self, n));
        self.counted = 0;
        (4..8).for_each(|n| round(self, n));
        assert_eq!(self.counted, 0, "{what}");
        self.node.check(&self.config).unwrap();
    }
}
