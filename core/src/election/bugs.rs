//! Seeded bugs of election. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models, or be listed
//! as equivalent with the argument. Numbers are those of the catalogue of public mistakes that the project keeps.

use super::{Claim, Config, Election, HardState, Loyalty, Note, Position, Role};
use crate::members::NodeSet;
use crate::protocol::{Effects, Recovered};
use crate::types::{NodeId, Term};

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// The vote is never written.
    E1VoteNotPersisted,
    /// The vote leaves before it is durable.
    E2VotedEarly,
    /// The vote is read at a start, and forgotten.
    E3VoteForgottenAtStart,
    /// Term and vote are written one after the other, and the vote leaves after the first.
    E4TwoWrites,
    /// A candidate asks before its own vote is durable, and counts it at once.
    E5OwnVoteEarly,
    /// A candidate asks before its own term is durable, and leads on the others' votes.
    E5LeadsUndurable,
    /// A second vote in one term.
    E6SecondVote,
    /// A vote in a higher term without entering it.
    E7GrantWithoutAdopting,
    /// Votes of an older term count.
    E8OldVotesCount,
    /// The vote is not opened in a new term.
    E9VoteKeptInNewTerm,
    /// Half of the voters are enough.
    E10HalfIsEnough,
    /// A request of an older term is answered.
    E11StaleIsAnswered,
    /// A leader does not step down for a higher term.
    E12NackIsIgnored,
    /// A candidate does not hear the leader of its term.
    E13CandidateIgnoresLeader,
    /// Voters that do not answer do not count in the majority.
    E14SilenceIsAbsence,
    /// An observer's vote counts.
    E15ObserverVotes,
    /// A pre-vote raises the term of whoever hears it.
    E16PreVoteChanges,
    /// A pre-vote below one's own term is not answered.
    E17LowTermUnanswered,
    /// A pre-vote does not look at the log.
    E18PreVoteIgnoresLog,
    /// A resignation does not free the followers.
    E19ResignDoesNotFree,
    /// A pre-candidate asks once only.
    E20PreCandidateGivesUp,
    /// A lost store counts as a new one.
    E21LostIsFresh,
    /// A voter's timer is not armed again.
    E22TimerNotRearmed,
    /// The lease is counted from the answer.
    E23LeaseFromAnswer,
    /// Answers to older rounds count for the newest.
    OldAnswersCount,
    /// "Who leads?" is answered without asking a majority.
    AnsweredWithoutMajority,
    /// A leader that hands over keeps its lease.
    HandOverKeepsLease,
    /// The token of a hand-over that was given up still releases voters.
    TokenNeverAges,
    /// The successor of a hand-over that was given up still stands.
    LateTransferStands,
    /// A token releases a voter that has forgotten what it answered.
    TokenFreesRestarted,
    /// A voter that restarts has promised nothing.
    NoQuarantine,
    /// A lease ends, and nobody is told.
    LeaseEndsSilently,
    /// A hint that the leader's process is gone ends the promise that a lease rests on.
    HintEndsPromise,
    /// A pre-candidate stays loyal, and refuses others.
    PreCandidateRemembersLeader,
    /// Pre-votes are granted only between equal terms.
    PreVoteNeedsEqualTerms,
    /// A candidate without a majority goes on to the next term without asking first.
    CandidateKeepsRaising,
    /// A pre-vote is granted although the leader was heard.
    PreVoteIgnoresLeader,
    /// Two that ask at once grant each other, and neither gives way, whatever their ranks.
    NobodyGivesWay,
    /// Whoever has given way stands after that, whoever would vote for it.
    StandsAfterGivingWay,
    /// A vote does not look at the log.
    L2VoteIgnoresLog,
}

impl Bug {
    /// All that the models hunt.
    pub const HUNTED: [Self; 38] = [
        Self::E1VoteNotPersisted,
        Self::E2VotedEarly,
        Self::E3VoteForgottenAtStart,
        Self::E4TwoWrites,
        Self::E5OwnVoteEarly,
        Self::E5LeadsUndurable,
        Self::E6SecondVote,
        Self::E7GrantWithoutAdopting,
        Self::E8OldVotesCount,
        Self::E9VoteKeptInNewTerm,
        Self::E10HalfIsEnough,
        Self::E11StaleIsAnswered,
        Self::E12NackIsIgnored,
        Self::E13CandidateIgnoresLeader,
        Self::E14SilenceIsAbsence,
        Self::E15ObserverVotes,
        Self::E16PreVoteChanges,
        Self::E17LowTermUnanswered,
        Self::E19ResignDoesNotFree,
        Self::E20PreCandidateGivesUp,
        Self::E21LostIsFresh,
        Self::E22TimerNotRearmed,
        Self::OldAnswersCount,
        Self::AnsweredWithoutMajority,
        Self::PreCandidateRemembersLeader,
        Self::PreVoteNeedsEqualTerms,
        Self::CandidateKeepsRaising,
        Self::PreVoteIgnoresLeader,
        Self::E23LeaseFromAnswer,
        Self::HandOverKeepsLease,
        Self::TokenNeverAges,
        Self::LateTransferStands,
        Self::TokenFreesRestarted,
        Self::NoQuarantine,
        Self::HintEndsPromise,
        Self::LeaseEndsSilently,
        Self::NobodyGivesWay,
        Self::StandsAfterGivingWay,
    ];

    /// Those that only show with a log; hunted in the model of replication.
    pub const WITH_A_LOG: [Self; 2] = [Self::E18PreVoteIgnoresLog, Self::L2VoteIgnoresLog];
}

pub(super) fn recovered(config: &Config, recovered: Recovered<HardState>) -> Recovered<HardState> {
    match (config.bug, recovered) {
        (Some(Bug::E3VoteForgottenAtStart), Recovered::Known(hard)) => {
            Recovered::Known(HardState { vote: None, ..hard })
        }
        (Some(Bug::E21LostIsFresh), Recovered::Lost) => Recovered::Fresh,
        _ => recovered,
    }
}

/// What was promised before a start.
pub(super) fn at_start(config: &Config) -> Loyalty {
    if config.has(Bug::NoQuarantine) {
        Loyalty::Free
    } else {
        Loyalty::Unknown
    }
}

pub(super) fn on_candidate_timeout(config: &Config, granted: NodeSet) -> bool {
    config.has(Bug::CandidateKeepsRaising) || (config.has(Bug::E14SilenceIsAbsence) && granted.contains(config.me))
}

pub(super) fn asks_early(config: &Config) -> bool {
    config.has(Bug::E5OwnVoteEarly) || config.has(Bug::E5LeadsUndurable)
}

/// Whether the pre-vote is settled here.
pub(super) fn on_pre_vote<L: Position>(
    member: &mut Election<L>,
    config: &Config,
    from: NodeId,
    term: Term,
    fx: &mut Effects<Election<L>>,
) -> bool {
    match config.bug {
        Some(Bug::E16PreVoteChanges) if term > member.term && member.loyalty == Loyalty::Free => {
            member.role = Role::Follower;
            member.enter(term, fx);
            member.save(config, fx);
            false
        }
        Some(Bug::E17LowTermUnanswered) => term <= member.term,
        Some(Bug::PreCandidateRemembersLeader) => matches!(member.role, Role::PreCandidate { .. }),
        Some(Bug::PreVoteNeedsEqualTerms) => member.term.next() != Some(term),
        Some(Bug::PreVoteIgnoresLeader) if term > member.term => {
            fx.notice(from, super::Notice::PreVoted { term });
            true
        }
        _ => false,
    }
}

/// Whether the vote is given without entering the term.
pub(super) fn grants_without_adopting<L: Position>(
    member: &mut Election<L>,
    config: &Config,
    from: NodeId,
    term: Term,
    fx: &mut Effects<Election<L>>,
) -> bool {
    let grants = config.has(Bug::E7GrantWithoutAdopting) && !matches!(member.role, Role::Leader(_));
    if grants {
        fx.claim(from, Claim::Voted { term });
    }
    grants
}

/// Whether the record is written here, wrongly.
pub(super) fn saves_vote_otherwise<L: Position>(
    member: &mut Election<L>,
    config: &Config,
    from: NodeId,
    grants: bool,
    fx: &mut Effects<Election<L>>,
) -> bool {
    let term = member.term;
    match config.bug {
        Some(Bug::E1VoteNotPersisted) if grants => {
            member.vote = None;
            member.save(config, fx);
            member.vote = Some(from);
            fx.claim(from, Claim::Voted { term });
            true
        }
        Some(Bug::E4TwoWrites) if grants => {
            member.vote = None;
            member.save(config, fx);
            member.vote = Some(from);
            fx.note(Note::Vote { candidate: from, term });
            fx.claim(from, Claim::Voted { term });
            true
        }
        _ => false,
    }
}

/// Whether these votes are enough, wrongly.
pub(super) fn is_enough(config: &Config, granted: NodeSet) -> bool {
    let votes = granted.and(config.voters).count();
    match config.bug {
        Some(Bug::E10HalfIsEnough) => granted.contains(config.me) && votes >= config.voters.count() / 2,
        Some(Bug::E5LeadsUndurable) => votes > config.voters.count() / 2,
        Some(Bug::E15ObserverVotes) => granted.contains(config.me) && granted.count() > config.voters.count() / 2,
        _ => false,
    }
}
