use pehra_models::{
    Options,
    delivery::{Bounds, Grain, World},
    explore,
};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut w = Bounds::new(a[1].parse().unwrap(), a[2].parse().unwrap()).batches(a[3].parse().unwrap());
    if a.iter().any(|x| x == "split") {
        w.grain = Grain::Split
    }
    if a.iter().any(|x| x == "fine") {
        w.grain = Grain::Fine
    }
    if a.iter().any(|x| x == "calm") {
        w.calms = true
    }
    let w = World::new(w);
    println!("size {}", std::mem::size_of::<pehra_models::delivery::State>());
    let t = std::time::Instant::now();
    match explore(
        &w,
        Options {
            limits: pehra_models::Limits { states_max: 30_000_000 },
            quiet: true,
            ..Options::default()
        },
    ) {
        Ok(e) => println!(
            "{} states {} gen depth {} {:?} {:?}",
            e.len(),
            e.counts.generated,
            e.counts.depth,
            t.elapsed(),
            e.violation()
        ),
        Err(i) => println!("{i} {:?}", t.elapsed()),
    }
    println!("{:?}", w.parts());
}
