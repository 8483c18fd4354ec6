//! The order of a term: who leads next, and whose alarm clock rings when. The same on all nodes, and not to be foreseen without the
//! cluster's key. It stays in a node's memory: no message carries it, and nothing shows it.

use hmac::{Hmac, KeyInit, Mac};
use pehra_cluster::Cluster;
use pehra_core::members::Order;
use pehra_core::types::{NodeId, Term};
use sha2::Sha256;

/// Sorts all nodes of `cluster`, voters or not, by HMAC(key, term, id). Without a key the cluster's name takes its place, and then
/// anybody can work the order out.
pub fn order(cluster: &Cluster, term: Term) -> Order {
    let key = cluster.key.as_ref().map_or(cluster.name.as_bytes(), |key| key.bytes());
    let mut ranked: Vec<_> = cluster
        .members
        .iter()
        .map(|member| (mac(key, term, member.id), member.id))
        .collect();
    ranked.sort_unstable();
    Order::new(ranked.into_iter().map(|(_, id)| NodeId(id)))
}

fn mac(key: &[u8], term: Term, id: u16) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(&term.0.to_be_bytes());
    mac.update(&id.to_be_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pehra_core::members::NodeSet;
    use pehra_core::node::{Desk, GateBound, Node, Output};
    use pehra_core::protocol::{Drawn, Input, Recovered};
    use pehra_core::replication::{Index, LogId};
    use pehra_core::sleep::cover::View;
    use pehra_core::sleep::coverage::Gear;
    use pehra_core::sleep::guard::{
        Claim, Command, Config, Decree, Event, Guard, Message, News, Order as Ask, Plan, Purpose, Timer, Timing,
    };
    use pehra_core::types::{RequestId, Ticks};

    use super::*;

    fn cluster(key: &str) -> Cluster {
        cluster_of(5, key)
    }

    fn cluster_of(nodes: u16, key: &str) -> Cluster {
        let head = format!("[cluster]\nname = \"home\"\n{key}\n");
        let node = |id| format!("[[node]]\nid = {id}\naddress = \"h:{}\"\n", id + 1);
        let text = head + &(0..nodes).map(node).collect::<String>();
        Cluster::parse(Path::new("cluster.toml"), &text).expect("sound")
    }

    fn firsts(cluster: &Cluster) -> Vec<u16> {
        let first = |term| order(cluster, Term(term)).iter().next().map(|node| node.0);
        (0..200).filter_map(first).collect()
    }

    #[test]
    fn every_voter_is_first_about_equally_often() {
        let firsts = firsts(&cluster(""));
        for id in 0..5 {
            let times = firsts.iter().filter(|first| **first == id).count();
            assert!((20..=65).contains(&times), "{id} is first in {times} of 200 terms");
        }
    }

    /// How far counts are from being all the same: Pearson's chi square, and what it is above in one of 10,000 fair draws (the
    /// approximation of Wilson and Hilferty).
    fn chi_square(counts: &[u32]) -> (f64, f64) {
        let total: u32 = counts.iter().sum();
        let cells = f64::from(u32::try_from(counts.len()).expect("few"));
        let mean = f64::from(total) / cells;
        let found = counts
            .iter()
            .map(|count| (f64::from(*count) - mean).powi(2) / mean)
            .sum();
        let (free, z) = (cells - 1.0, 3.719);
        let spread = 2.0 / (9.0 * free);
        (found, free * (1.0 - spread + z * spread.sqrt()).powi(3))
    }

    type Draw<'a> = &'a dyn Fn(u64) -> Vec<u16>;

    /// Whether a draw passes for a fair one: each order of the first two, each pair of firsts of two terms, each place of each member, and each
    /// pair of places of two members: whoever knows its own place knows no more of another's than that it is not the same.
    fn is_fair(draw: Draw<'_>) -> bool {
        const TERMS: u64 = 10_000;
        let (mut twos, mut turns, mut others, mut places) = ([0; 25], [0; 25], [0; 25], [[0; 5]; 5]);
        for pair in 0..TERMS / 2 {
            let (now, next) = (draw(2 * pair), draw(2 * pair + 1));
            let cell = |a: u16, b: u16| usize::from(a) * 5 + usize::from(b);
            turns[cell(now[0], next[0])] += 1;
            for order in [now, next] {
                twos[cell(order[0], order[1])] += 1;
                let place = |of: u16| order.iter().position(|id| *id == of).map_or(0, |place| place as u16);
                others[cell(place(1), place(4))] += 1;
                for (place, id) in order.into_iter().enumerate() {
                    places[place][usize::from(id)] += 1;
                }
            }
        }
        // Nobody comes twice.
        let unequal = |counts: [u32; 25]| -> Vec<u32> {
            let cells = (0..25).filter(|cell| cell / 5 != cell % 5);
            cells.map(|cell| counts[cell]).collect()
        };
        let (twos, others) = (unequal(twos), unequal(others));
        let is_even = |counts: &[u32]| {
            let (found, limit) = chi_square(counts);
            found < limit
        };
        is_even(&twos) && is_even(&turns) && is_even(&others) && places.iter().all(|place| is_even(place))
    }

    #[test]
    fn the_draw_is_uniform_and_other_draws_that_look_so_are_not() {
        let rotated = |term: u64| (0..5).map(|place| ((term + place) % 5) as u16).collect();
        assert!(
            !is_fair(&rotated),
            "each is first equally often, and everybody can foresee it"
        );
        for key in ["", &format!("key = \"{}\"", "5c".repeat(32))] {
            let cluster = cluster(key);
            let drawn = |term| order(&cluster, Term(term)).iter().map(|node| node.0).collect();
            assert!(is_fair(&drawn), "{key}");
            // The lowest bits only, ties by number.
            let coarse = |term: u64| {
                let rank = |id: u16| (mac(cluster.name.as_bytes(), Term(term), id)[0] & 7, id);
                let mut ids: Vec<u16> = (0..5).collect();
                ids.sort_unstable_by_key(|id| rank(*id));
                ids
            };
            assert!(!is_fair(&coarse), "lower numbers come earlier");
            // Nine terms in ten are drawn, the tenth is always the same.
            let now_and_then = |term: u64| {
                if term.is_multiple_of(10) {
                    (0..5).collect()
                } else {
                    drawn(term)
                }
            };
            assert!(!is_fair(&now_and_then));
        }
    }

    const PERIOD: u32 = 60_000;

    /// What the deployed guard of one of n0 to n4 sets its alarm clock to, if all five may sleep and n5 watches.
    fn alarm(me: u16, term: Term, order: Order) -> Option<u32> {
        let (pehredar, sleepers) = (NodeId(5), NodeSet::first(5));
        let timing = Timing {
            alarm: Ticks(PERIOD),
            ..Timing::TEST
        };
        let config = Config {
            gear: Gear::Watch,
            ..Config::new(NodeId(me), NodeSet::only(pehredar), sleepers, timing)
        };
        let id = |index| LogId {
            term,
            index: Index(index),
        };
        let news = |news| Input::Commanded(RequestId(0), Command::News(news));
        let ask = |ask| Input::Commanded(RequestId(0), Command::Order(ask));
        let decided = |index, decree| news(News::Decided { id: id(index), decree });
        let covered = || View {
            healthy: true,
            ..View::default()
        };
        let plan = Plan {
            gear: Gear::Watch,
            watch: NodeSet::only(pehredar),
            members: sleepers,
        };
        let mut desk = Desk::default();
        let mut node: Node<Guard> = Node::recover(&config, GateBound::DEPLOYED, Recovered::Fresh, &mut desk);
        let (mut nonce, mut alarm) = (0, None);
        let mut feed = |node: &mut Node<Guard>, input: Option<Input<Guard>>| {
            let mut next = input;
            loop {
                if let Some(input) = next.take() {
                    let _ = node.step(&config, input, &mut desk);
                }
                for output in desk.outputs() {
                    match output {
                        Output::Draw { .. } => {
                            nonce += 1;
                            next = Some(Input::Drawn(Drawn::Nonce(nonce)));
                        }
                        Output::Emit {
                            event: Event::Sleep { alarm: ticks },
                            ..
                        } => alarm = Some(ticks.0),
                        _ => {}
                    }
                }
                if next.is_none() {
                    break;
                }
            }
        };
        feed(&mut node, None);
        for input in [
            Input::Drawn(Drawn::Order { term, order }),
            news(News::Following { leader: pehredar, term }),
            ask(Ask::Up),
            decided(1, Decree::Switch { epoch: 1, on: true }),
            decided(2, Decree::Plan(plan)),
            Input::Fired(Timer::Idle),
        ] {
            feed(&mut node, Some(input));
        }
        let grant = Claim::Grant {
            purpose: Purpose::Sleep,
            plan: id(2),
            lock: node.state().lock(),
            counted: plan.watch,
        };
        for input in [
            Input::Received {
                from: pehredar,
                message: Message::Claim(grant),
            },
            ask(Ask::View(covered())),
            ask(Ask::Stopped),
            ask(Ask::View(covered())),
        ] {
            feed(&mut node, Some(input));
        }
        alarm
    }

    /// The sleepers in the order in which their alarm clocks ring first.
    fn rings(cluster: &Cluster, term: u64) -> Vec<u16> {
        let term = Term(term);
        let alarms = (0..5).map(|id| (alarm(id, term, order(cluster, term)), id));
        let mut alarms: Vec<_> = alarms.collect();
        alarms.sort_unstable();
        let slots: Vec<_> = alarms.iter().map(|(alarm, _)| *alarm).collect();
        assert_eq!(slots, [1, 2, 3, 4, 5].map(|slot| Some(PERIOD / 5 * slot)), "{term:?}");
        alarms.into_iter().map(|(_, id)| id).collect()
    }

    /// Each term has another order of rings, which neither numbers nor the term before nor one's own slot foretells. Whoever has the key can
    /// work it out: that is how all find the same.
    #[test]
    fn nobody_foresees_an_alarm_slot() {
        let mine = cluster_of(6, &format!("key = \"{}\"", "5c".repeat(32)));
        let same = cluster_of(6, &format!("key = \"{}\"", "5c".repeat(32)));
        let others = cluster_of(6, &format!("key = \"{}\"", "5d".repeat(32)));
        assert!(is_fair(&|term| rings(&mine, term)));
        let agree = |other: &Cluster| {
            (0..500)
                .filter(|term| rings(&mine, *term) == rings(other, *term))
                .count()
        };
        assert_eq!(agree(&same), 500);
        assert!(
            agree(&others) < 30,
            "another key foretells it: one of 120 orders by chance"
        );
        let by_number = |_| (0..5).collect::<Vec<u16>>();
        assert!(!is_fair(&by_number));
    }

    /// A node that does not vote sleeps too.
    #[test]
    fn the_order_has_all_nodes() {
        let text = "[cluster]\nname = \"home\"\n[[node]]\nid = 1\naddress = \"h:1\"\n[[node]]\nid = 7\naddress = \"h:2\"\nrole = \"observer\"\n";
        let cluster = Cluster::parse(Path::new("cluster.toml"), text).expect("sound");
        assert!(order(&cluster, Term(3)).contains(NodeId(7)));
    }

    #[test]
    fn all_nodes_find_the_same_order_and_another_key_finds_another() {
        let key = format!("key = \"{}\"", "0a".repeat(32));
        assert_eq!(firsts(&cluster(&key)), firsts(&cluster(&key)));
        assert_ne!(firsts(&cluster(&key)), firsts(&cluster("")));
        assert_eq!(order(&cluster(&key), Term(9)).iter().count(), 5);
    }

    /// RFC 4231, test case 2: the function is the well-known one.
    #[test]
    fn the_mac_is_hmac_sha256() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").expect("any length");
        mac.update(b"what do ya want for nothing?");
        let hex: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(
            hex.starts_with("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            "{hex}"
        );
    }
}
