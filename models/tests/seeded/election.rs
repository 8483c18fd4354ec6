//! Bugs of the election and of its leases.

use pehra_core::election;
use pehra_models::election as election_model;
use pehra_models::{Catch, Hunt, lease, results};

use super::judge;
use super::log::hunt_votes_for_short_logs;

#[test]
fn every_bug_of_election_is_caught() {
    judge(election::bugs::Bug::HUNTED.map(|bug| hunt_in_the_election(bug, false)));
    judge(election::bugs::Bug::WITH_A_LOG.map(hunt_votes_for_short_logs));
}

/// Larger worlds are walked reduced; what is left out there must not be what shows a bug.
#[test]
fn a_reduced_world_catches_the_same_bugs_of_election() {
    let kept = results::kept::<Catch>("seeded");
    for bug in election::bugs::Bug::HUNTED {
        let found = hunt_in_the_election(bug, true);
        let whole = kept
            .iter()
            .find(|catch| catch.bug == found.bug)
            .expect("each bug is kept");
        println!(
            "{}: {:?} after {} states, whole {}",
            found.bug, found.by, found.states, whole.states
        );
        assert_eq!(found.by.is_some(), whole.by.is_some(), "{bug:?}");
    }
}

/// What a bug of leases stands for, and the smallest world in which it can show.
fn prey_among_leases(bug: election::bugs::Bug) -> Option<(&'static str, lease::Bounds)> {
    use election::bugs::Bug;
    use lease::Bounds;
    // One that breaks the claim also breaks what must hold on the way to it: here the claim itself must catch it.
    let once = Bounds {
        claim_alone: true,
        ..Bounds::new(2, 1)
    };
    let handed_over = |rounds| Bounds {
        transfers: 1,
        claim_alone: true,
        ..Bounds::new(2, rounds)
    };
    Some(match bug {
        Bug::E23LeaseFromAnswer => ("a lease that is counted from the answer", once),
        Bug::HandOverKeepsLease => ("a leader that hands over and keeps its lease", handed_over(1)),
        Bug::TokenNeverAges => (
            "a hand-over that was given up and still releases voters",
            handed_over(2),
        ),
        Bug::LateTransferStands => (
            "a hand-over that was given up and still makes its successor stand",
            handed_over(2),
        ),
        Bug::TokenFreesRestarted => (
            "a restarted voter that takes an old heartbeat for all it ever answered",
            Bounds {
                crashes: 1,
                ..handed_over(2)
            },
        ),
        Bug::NoQuarantine => ("a promise that a restart forgets", Bounds { crashes: 1, ..once }),
        Bug::HintEndsPromise => (
            "a promise that ends when the connection does",
            Bounds { hints: 1, ..once },
        ),
        Bug::LeaseEndsSilently => ("a lease whose end nobody is told", Bounds::new(2, 1)),
        _ => return None,
    })
}

/// What a bug of election stands for, and the smallest world in which it can show.
fn prey_in_the_election(bug: election::bugs::Bug) -> (&'static str, election_model::Bounds) {
    use election::bugs::Bug;
    use election_model::{Bounds, Shape};
    let small = Bounds::new(3, 1);
    let two = Bounds::new(3, 2);
    let asking = Bounds {
        pre_vote: true,
        ..Bounds::new(3, 1)
    };
    let calm = |calms: Vec<Shape>| Bounds {
        headroom: 2,
        calms,
        ..Bounds {
            pre_vote: true,
            ..Bounds::new(3, 1)
        }
    };
    let one_gone = || calm((0..3).map(Shape::Without).collect());
    match bug {
        Bug::E1VoteNotPersisted => ("a vote that is never written", small.crashes(1)),
        Bug::E2VotedEarly => (
            "a vote that leaves before it is durable",
            Bounds {
                split: true,
                ..small.crashes(1)
            },
        ),
        Bug::E3VoteForgottenAtStart => ("a vote that a restart forgets", small.crashes(1)),
        Bug::E4TwoWrites => (
            "term and vote in two writes",
            Bounds {
                split: true,
                ..small.crashes(1)
            },
        ),
        Bug::E5OwnVoteEarly => (
            "a candidate that counts its own vote before it is durable",
            two.crashes(1),
        ),
        Bug::E5LeadsUndurable => ("a candidate that leads before its own term is durable", two.crashes(1)),
        Bug::E6SecondVote => ("a second vote in one term", small),
        Bug::E7GrantWithoutAdopting => ("a vote in a term that the voter does not enter", small),
        Bug::E8OldVotesCount => ("votes of an older term that count", two),
        Bug::E9VoteKeptInNewTerm => ("a vote that stays given in the next term", one_gone()),
        Bug::E10HalfIsEnough => ("half of the voters taken for a majority", Bounds::new(4, 1)),
        Bug::E11StaleIsAnswered => ("an answer to a candidate of the past", calm(vec![Shape::All])),
        Bug::E12NackIsIgnored => ("a leader that does not hear that its term is over", one_gone()),
        Bug::E13CandidateIgnoresLeader => ("a candidate that does not yield to the winner", calm(vec![Shape::All])),
        Bug::E14SilenceIsAbsence => ("a majority of those who answer", small),
        Bug::E15ObserverVotes => (
            "an observer whose vote counts",
            Bounds {
                observers: 1,
                ..Bounds::new(2, 1)
            },
        ),
        Bug::E16PreVoteChanges => ("a pre-vote that raises terms", asking),
        Bug::E17LowTermUnanswered => (
            "a pre-vote in an old term that nobody answers (canonical/raft 279)",
            Bounds {
                pre_vote: true,
                outage: &[0, 2, 1, 1, 1],
                headroom: 2,
                calms: vec![Shape::Hub(0)],
                ..Bounds::new(5, 2)
            },
        ),
        Bug::E19ResignDoesNotFree => ("a resignation that frees nobody", Bounds { resigns: 1, ..small }),
        Bug::E20PreCandidateGivesUp => ("a member that asks once and never again", one_gone()),
        Bug::E21LostIsFresh => (
            "a member that comes back with an empty disk and votes",
            Bounds { wipes: 1, ..small },
        ),
        Bug::E22TimerNotRearmed => ("a voter that waits for ever for whom it voted", one_gone()),
        Bug::OldAnswersCount => (
            "an answer to an older question",
            Bounds {
                questions: 1,
                check_quorum: true,
                ..two
            },
        ),
        Bug::AnsweredWithoutMajority => ("a deposed leader that still says me", Bounds { questions: 1, ..two }),
        Bug::PreCandidateRemembersLeader => ("a member that asks and refuses all who ask", one_gone()),
        Bug::PreVoteNeedsEqualTerms => ("pre-votes judged by equal terms", one_gone()),
        Bug::CandidateKeepsRaising => (
            "a candidate whose term climbs while it is cut off",
            Bounds { terms: 2, ..asking },
        ),
        Bug::PreVoteIgnoresLeader => (
            "a pre-vote that unseats a healthy leader",
            Bounds { terms: 2, ..asking },
        ),
        Bug::NobodyGivesWay => (
            "two that ask at once and both stand",
            Bounds {
                ranks: true,
                ..one_gone()
            },
        ),
        Bug::StandsAfterGivingWay => (
            "two that ask at once, and the second stands whoever would vote",
            Bounds { ranks: true, ..asking },
        ),
        _ => ("its model is to come", small),
    }
}

const E11: &str = "The answer is a Nack with the answerer's durable term, which the candidate could have had for any \
                   heartbeat or pre-vote of its own; it gives no vote, and the candidate follows the higher term.";

const E12: &str = "A leader whose term is over also hears so from the heartbeats of the next leader, and loses its \
                   majority's answers; a pre-candidate that learns no higher term is overtaken by those who know it. So \
                   without a log the Nack only saves time.";

const E13: &str = "A candidate that is not elected goes back to asking before it could stand again, in the same term, and \
                   whoever asks does hear the leader of its term. So the bug only delays that by one candidacy.";

const NOBODY: &str = "Two that ask at once may then both stand, and split the votes. Both ask again, each after a wait of its own, and \
                      nothing is decided wrongly: giving way saves that round, and no more. Once calm, no timer of the \
                      model goes off while an answer is under way, so nobody asks at the same time as another there. What \
                      it saves is a matter of time, and so of the simulator.";

fn hunt_in_the_election(bug: election::bugs::Bug, reduced: bool) -> Catch {
    if let Some((stands_for, bounds)) = prey_among_leases(bug) {
        let world = lease::World::new(lease::Bounds {
            bug: Some(bug),
            ..bounds
        });
        let hunt = Hunt::new(&world).name(format!("{bug:?}")).states_max(6_000_000);
        let mut catch = hunt.run().expect("the smallest world fits");
        catch.stands_for = stands_for.into();
        return catch;
    }
    let (stands_for, bounds) = prey_in_the_election(bug);
    let calms = !bounds.calms.is_empty();
    let world = election_model::World::new(election_model::Bounds {
        bug: Some(bug),
        reduced,
        ..bounds
    });
    let mut hunt = Hunt::new(&world).name(format!("{bug:?}")).states_max(6_000_000);
    if calms {
        hunt = hunt.settles(election_model::queries::a_leader_stays());
    }
    let mut catch = hunt.run().expect("the smallest world fits");
    catch.stands_for = stands_for.into();
    catch.equivalent = match bug {
        election::bugs::Bug::E11StaleIsAnswered => Some(E11.into()),
        election::bugs::Bug::E12NackIsIgnored => Some(E12.into()),
        election::bugs::Bug::E13CandidateIgnoresLeader => Some(E13.into()),
        election::bugs::Bug::NobodyGivesWay => Some(NOBODY.into()),
        _ => None,
    };
    catch
}
