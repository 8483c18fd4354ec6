//! What people and programs see of a cluster of voters: its configuration, and the questions a client may ask.
//!
//! * [`Cluster::read`] reads `cluster.toml`, or the older `config.txt` (`N: 5`, then `node0: localhost:60001` …), and says
//!   about a file that cannot be used which line breaks which rule and what to write instead.
//! * [`SleepSettings`] and [`Broker`] are how a cluster's Kafka brokers are let sleep: `[sleep]` and `[node.broker]`; examples/sleep.toml
//!   shows all of it.
//! * [`ask`] is what a client sends to a node and what it gets back.
//!
//! Nothing here reads a clock or talks to a network.
//!
//! # Asking a node, from any language
//!
//! A client need not be a member and needs no library of ours. It opens an SP `REQ` socket (NNG, nanomsg, pynng …) to a
//! node's own address, `tcp://HOST:PORT` (`tls+tcp://HOST:PORT` if the cluster has certificates), sends one JSON object
//! as the body of a request and gets one JSON object as the reply. In Python:
//!
//! ```python
//! import json, pynng
//! with pynng.Req0(dial="tcp://localhost:60001", recv_timeout=2000) as node:
//!     node.send(b'{"ask":"leader"}')
//!     print(json.loads(node.recv()))
//! ```
//!
//! | request | reply | meaning |
//! |---|---|---|
//! | `{"ask":"leader"}` | `{"leader":{"node":2,"address":"localhost:60003","fencing":17}}` | node 2 led with a majority behind it *after* the question came |
//! | | `{"leader":null,"reason":"…","try":2,"try_address":"localhost:60003"}` | not known here; `try` is left out if there is nobody to try |
//! | `{"ask":"status"}` | `{"status":{…}}` ([`Status`]) | what the node knows of itself and of the others |
//! | `{"ask":"transfer","to":null}` | `{"done":{"ask":"transfer",…}}` or `{"refused":{"ask":"transfer","reason":"…"}}` | the leader hands over, to the node named or to the one it finds fittest |
//! | `{"ask":"drain","on":true}` | likewise | the node shall not lead (and hands over if it does), until `"on":false` |
//! | `{"ask":"resign"}` | likewise | the leader steps down and lets the others choose |
//! | `{"ask":"append","text":"…"}` | `{"appended":{"index":7,"term":3}}` or `{"refused":…}` | it is decided, in this place; a refusal that says "still may" leaves it open |
//! | `{"ask":"entries","from":5}` | `{"entries":{"list":[{"index":7,"term":3,"text":"…"}],"upto":7,…}}` ([`ask::Entries`]) | the node's own copy; with `"confirmed":true` only the leader answers, and misses nothing |
//! | `{"ask":"enable","epoch":3}` | `{"done":…}` or `{"refused":…}` | the Pehredar lets brokers sleep again; the epoch must be above the last one |
//! | `{"ask":"disable"}` | likewise | all wake up and stay awake |
//! | `{"ask":"wake","all":false}` | likewise | this node's broker wakes up, or all do |
//! | `{"ask":"maintain","nodes":[1]}` | likewise | the Pehredar lets these be worked on in turn (all, if none is named), itself last |
//! | `{"ask":"maintained"}` | likewise | the work on this node's broker is done |
//! | `{"ask":"stay-awake","on":true}` | likewise | this node's broker never sleeps, until `"on":false` |
//! | `{"ask":"self-check"}` | `{"self-checked":{"node":1,"would_sleep":false,"checks":[…]}}` ([`ask::SelfChecked`]) | would it sleep if it were let, and why not |
//! | `{"ask":"enable","epoch":3,"signed":{…}}` | as without `signed` | an admin signed it: see [`signed`] for what needs that, and how |
//! | what is no question, from somebody who may not | `{"refused":{"ask":"drain","reason":"…"}}` | see [`Commanders`] |
//! | anything else | `{"error":{"kind":"…","reason":"…"}}` | the request was not understood |
//!
//! **The fencing number** is the term. It grows with every leadership and no two leaders ever have the same one. Pass it
//! along with every write to whatever the leader controls, and let that refuse numbers lower than one it has seen: then a
//! leader that was asleep for an hour and does not know yet that it was replaced can do no harm. The answer to
//! `{"ask":"leader"}` was true when it left; only the fencing number keeps it harmless when it is old.
//!
//! **Rules for growth.** Fields may be added to requests and replies: both sides skip what they do not know. A request may
//! carry `"version":1`; without it, version 1 is meant. A node that does not speak the version says which ones it
//! speaks: `{"error":{"kind":"version","reason":"…","versions":[1]}}`. A request is at most [`ask::REQUEST_BYTES_MAX`] bytes.
//! Nobody has to answer for ever: clients set a deadline and then ask another node.

mod address;
pub mod ask;
mod check;
mod cluster;
mod of_guard;
mod problem;
mod seed;
pub mod signed;
mod sleep;
mod sleep_file;
mod sleep_sockets;
mod sleeping;
mod status;
mod toml_file;

pub use address::Address;
pub use cluster::{Cluster, Commanders, Journal, Key, Member, Role, TlsFiles};
pub use problem::{ConfigError, Problem};
pub use sleep::{Broker, GEARS, MachineWatts, Proxy, SleepSettings, WAKE_RULES};
pub use sleep_sockets::Sockets;
pub use sleeping::{DoingNow, PlanStatus, SleepStatus, WatchRole};
pub use status::{Disk, Log, PeerStatus, RoleNow, Status};
