use pehra_core::members::NodeSet;
use pehra_models::Gate;
use pehra_models::sleep::{Bounds, World};
#[test]
fn scratch() {
    let mut b = Bounds::lean();
    for part in std::env::var("B")
        .unwrap_or_default()
        .split(',')
        .filter(|p| !p.is_empty())
    {
        let (k, v) = part.split_once('=').unwrap();
        let n: u8 = v.parse().unwrap();
        match k {
            "terms" => b.terms = n,
            "decrees" => b.decrees = n,
            "crashes" => b.crashes = n,
            "traffic" => b.traffic = n,
            "wakes" => b.wakes = n,
            "losses" => b.losses = n,
            "switches" => b.switches = n,
            "rounds" => b.rounds = n,
            "letters" => b.letters = n,
            "repeats" => b.repeats = n > 0,
            "voters" => b.voters = NodeSet::from_bits(n.into()),
            "tat" => b.traffic_at = NodeSet::from_bits(n.into()),
            "cat" => b.crash_at = NodeSet::from_bits(n.into()),
            "min" => b.partitions[0].in_sync_min = n.into(),
            "brokers" => b.brokers = n,
            "all" => b.wake = pehra_core::sleep::guard::WakeRule::All,
            "watch" => b.gear = pehra_core::sleep::coverage::Gear::Watch,
            "calms" => b.calms = true,
            "deaf" => {
                b.deaf = true;
                b.unwakeable = n > 1;
            }
            "stand" => b.stands.push(NodeSet::from_bits(n.into())),
            "four" => {
                b.brokers = 4;
                b.partitions = [0b0111u64, 0b1110, 0b1011]
                    .iter()
                    .take(n.into())
                    .map(|x| pehra_models::sleep::Copies {
                        replicas: NodeSet::from_bits(*x),
                        in_sync_min: 2,
                    })
                    .collect();
            }
            "no" => {
                use pehra_core::sleep::guard::Timer::*;
                b.without.extend(
                    [Idle, Tell, Probe, Alarm, Drain, Rouse, Wake]
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| n >> i & 1 == 1)
                        .map(|(_, t)| *t),
                );
            }
            "off" => b.disable_on_traffic = true,
            _ => panic!("{k}"),
        }
    }
    let mut gate = Gate::new(World::new(b.clone()))
        .name("scratch")
        .bounds(b.words())
        .golden(1)
        .states_max(6_000_000);
    if b.calms {
        gate = gate.leads(pehra_models::sleep::L4).leads(pehra_models::sleep::L1);
    }
    println!("{}", gate.run());
}
