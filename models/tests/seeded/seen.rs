//! Bugs of what guard duty rests on: coverage, and what is traffic.

use pehra_core::sleep::{coverage, traffic};
use pehra_models::coverage::Clusters;
use pehra_models::traffic::{Conversations, Stretches};
use pehra_models::{Catch, Hunt};

use super::judge;

#[test]
fn every_bug_of_coverage_and_traffic_is_caught() {
    judge(coverage::bugs::Bug::ALL.map(hunt_in_the_coverage));
    judge(traffic::bugs::Bug::ALL.map(hunt_in_the_traffic));
}

const LAGGING: &str = "A copy that lags on a broker that is awake is an obstacle by itself: nobody may sleep until it is in sync. \
                       So while anybody may sleep, the copies on awake brokers and the in-sync copies on awake brokers are the \
                       same ones. The bug would show if that obstacle were lifted.";

fn hunt_in_the_coverage(bug: coverage::bugs::Bug) -> Catch {
    use coverage::bugs::Bug;
    let clusters = match bug {
        // With three brokers, whoever shares no limit with another is alone.
        Bug::OneLimitIsEnough => Clusters::four(0),
        _ => Clusters::three(1),
    };
    let clusters = clusters.with_bug(bug);
    let mut catch = Hunt::new(&clusters).name(format!("{bug:?}")).run().expect("no limit");
    catch.stands_for = match bug {
        Bug::NodesAreCounted => "brokers counted in place of each partition's copies",
        Bug::LaggingCopiesCount => "a copy that lags and counts as one",
        Bug::DrainingCounts => "a broker that goes and is still counted on",
        Bug::NeedOffByOne => "a need that is off by one",
        Bug::SpareIsForgotten => "controllers without a spare",
        Bug::LastMayGo => "the last one that goes to sleep",
        Bug::LagIsExcused => "a sleeper more while a failed broker is missing",
        Bug::UncleanIsExcused => "sleep where a lagging copy may be made leader",
        Bug::OneLimitIsEnough => "a largest set that is too large",
        Bug::BystandersStay => "brokers that stay awake for nobody",
    }
    .into();
    if bug == Bug::LaggingCopiesCount {
        catch.equivalent = Some(LAGGING.into());
    }
    catch
}

fn hunt_in_the_traffic(bug: traffic::bugs::Bug) -> Catch {
    use traffic::bugs::Bug;
    let name = format!("{bug:?}");
    let caught = match bug {
        Bug::EachStretchAlone | Bug::WholeBytesAreEarned | Bug::TrafficIsOwed | Bug::TrafficIsForgiven => {
            Hunt::new(&Stretches::new(4).with_bug(bug)).name(name).run()
        }
        _ => Hunt::new(&Conversations::new(2).with_bug(bug)).name(name).run(),
    };
    let mut catch = caught.expect("no limit");
    catch.stands_for = match bug {
        Bug::ProduceIsIdle => "a write that nobody wakes for",
        Bug::UnknownKindIsIdle => "a new kind of request that counts as idle until somebody lists it",
        Bug::JoinIsIdle => "a new group that cannot be written down, and that nobody wakes for",
        Bug::JoiningHeartbeatIsIdle => "a new group of the newer protocol that nobody wakes for",
        Bug::HeartbeatIsTraffic => "an idle member of a newer group that keeps brokers awake",
        Bug::UnknownHeartbeatIsIdle => "a newer client whose joins are overlooked",
        Bug::SilentProduceIsAwaited => "an idle client that counts as traffic after a write with acks=0",
        Bug::FirstEmptyEndsIt => "records behind an empty partition that are overlooked",
        Bug::UnknownVersionIsIdle => "a newer client whose reads are overlooked",
        Bug::CutShortIsIdle => "half an answer that is taken for an empty one",
        Bug::OrderUnchecked => "an answer taken for that of another request",
        Bug::FallbackIsForgotten => "a newer client that is offered what cannot be read",
        Bug::OfferIsRaised => "a version offered that the broker lacks",
        Bug::EachStretchAlone => "a writer that is slow enough for each look by itself",
        Bug::WholeBytesAreEarned => "an idle client that counts as traffic the oftener it is looked at",
        Bug::TrafficIsOwed => "a client that keeps brokers awake for long after one large read",
        Bug::TrafficIsForgiven => "a writer that is overlooked after it was seen",
    }
    .into();
    catch
}
