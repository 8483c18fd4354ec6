use pehra_models::delivery::World;
use stateright::{Checker, Model};
fn main() {
    let a: Vec<u8> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let mut w = World::safety(a[0], a[1]);
    w.cloud_crashes = a[2];
    w.households = a[3]; w.sender.batch_rows = a[4].into(); w.sender.flights = a[5]; w.fine = a[6] == 1;
    let t = std::time::Instant::now();
    let c = w.checker().threads(2).spawn_dfs().join();
    println!("{} unique {} generated depth {} {:?}", c.unique_state_count(), c.state_count(), c.max_depth(), t.elapsed());
    for (n, p) in c.discoveries() { println!("== {n}"); if n.contains("OS") || n.contains("check") || n.contains("fenced") {for (i,(_, a)) in p.into_vec().into_iter().enumerate() { println!("{i} {a:?}"); }} }
}
