//! The order of succession: the same on all nodes, and not to be foreseen without the cluster's key.

use hmac::{Hmac, KeyInit, Mac};
use pehra_cluster::Cluster;
use pehra_core::members::Order;
use pehra_core::types::{NodeId, Term};
use sha2::Sha256;

/// Sorts the voters of `cluster` by HMAC(key, term, id). Without a key the cluster's name takes its place, and then
/// anybody can work the order out.
pub fn order(cluster: &Cluster, term: Term) -> Order {
    let key = cluster.key.as_ref().map_or(cluster.name.as_bytes(), |key| key.bytes());
    let mut ranked: Vec<_> = cluster
        .voters()
        .map(|voter| (mac(key, term, voter.id), voter.id))
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

    use super::*;

    fn cluster(key: &str) -> Cluster {
        let head = format!("[cluster]\nname = \"home\"\n{key}\n");
        let node = |id| format!("[[node]]\nid = {id}\naddress = \"h:{}\"\n", id + 1);
        let text = head + &(0..5).map(node).collect::<String>();
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

    /// Whether a draw passes for a fair one: each order of the first two, each pair of firsts of two terms, each place of each voter.
    fn is_fair(draw: Draw<'_>) -> bool {
        const TERMS: u64 = 10_000;
        let (mut twos, mut turns, mut places) = ([0; 25], [0; 25], [[0; 5]; 5]);
        for pair in 0..TERMS / 2 {
            let (now, next) = (draw(2 * pair), draw(2 * pair + 1));
            let cell = |a: u16, b: u16| usize::from(a) * 5 + usize::from(b);
            turns[cell(now[0], next[0])] += 1;
            for order in [now, next] {
                twos[cell(order[0], order[1])] += 1;
                for (place, id) in order.into_iter().enumerate() {
                    places[place][usize::from(id)] += 1;
                }
            }
        }
        // Nobody comes twice.
        let twos: Vec<u32> = (0..25)
            .filter(|cell| cell / 5 != cell % 5)
            .map(|cell| twos[cell])
            .collect();
        let is_even = |counts: &[u32]| {
            let (found, limit) = chi_square(counts);
            found < limit
        };
        is_even(&twos) && is_even(&turns) && places.iter().all(|place| is_even(place))
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
