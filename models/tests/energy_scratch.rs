use pehra_core::sleep::coverage::Gear;
use pehra_models::energy::*;
use pehra_models::simulator::ms;
#[test]
fn one() {
    let n: u16 = std::env::var("N").map_or(3, |n| n.parse().unwrap());
    let hours: u64 = std::env::var("HOURS").map_or(24, |n| n.parse().unwrap());
    let f: u64 = std::env::var("F").map_or(500, |n| n.parse().unwrap());
    let gear = if std::env::var("GEAR").is_ok() {
        Gear::Watch
    } else {
        Gear::Lean
    };
    let hw = if std::env::var("S5").is_ok() {
        Hardware::S5
    } else {
        Hardware::S3
    };
    let build = Build::usual(n, gear, hw);
    let mut plant = Plant::new(build, 1, std::env::var("TRACE").is_ok());
    plant.begin().unwrap();
    println!("began at {}", plant.now());
    let load = Load::on_off(1, ms(3_600_000 * hours), f, ms(7_200_000));
    plant.work(&load);
    let t = std::time::Instant::now();
    let r = plant.run_for(load.length);
    println!("{:?} {} steps {:?}", r, plant.cluster.steps(), t.elapsed());
    println!("idle {} episodes {}", load.idle_permille(), load.episodes.len());
    let times = plant.times();
    for (d, name) in meter::DRAWS {
        println!("{name}: {}", times.permille(d));
    }
    println!("{:?}", plant.counts);
    println!("outages {:?} fulls {:?}", plant.outages, plant.fulls);
    println!("{:?}", plant.cluster.watch.declined);
    println!("bound {}", plant.build.bound());
    println!(
        "{:?} temporary {} alerts {}",
        plant.cluster.watch.watching, plant.cluster.watch.temporary, plant.cluster.watch.alerts
    );
}
