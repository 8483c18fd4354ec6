//! Which messages can change nothing any more.

use pehra_core::election::{self, Role};
use pehra_core::replication::{Claim, Index, Lead, Message, Notice};
use pehra_core::types::{NodeId, Term};

use super::messages::Letter;
use super::state::Member;

fn hard(site: &Member) -> (Term, Option<NodeId>) {
    site.image
        .hard
        .map_or((Term::ZERO, None), |hard| (hard.term, hard.vote))
}

/// Whether hearing this, now or later, could change anything. No member will ever be in a term below that on its disk.
pub(super) fn can_matter(
    (sender, site): (&Member, &Member),
    letter: &Letter,
    to: u8,
    (listens, no_crash, terms): (bool, bool, u8),
) -> bool {
    let state = site.node.state();
    let current = state.election().term();
    let (durable, vote) = hard(site);
    let (from, to) = (NodeId(letter.from.into()), NodeId(to.into()));
    // One that is late is answered by a Nack. If its sender is in the last term, that changes nothing.
    let nacked = listens || hard(sender).0.0 < terms.into();
    match &letter.message {
        Message::Notice(Notice::Election(notice)) => match notice {
            election::Notice::PreVote { term, .. } | election::Notice::Heartbeat { term, .. } => {
                durable <= *term || nacked
            }
            election::Notice::PreVoted { term } | election::Notice::Resign { term } => durable < *term,
        },
        Message::Claim(Claim::Election(claim)) => match claim {
            election::Claim::Nack { term } | election::Claim::Behind { term, .. } => durable < *term,
            // Nobody has opened the first round: its answers only show that their sender is there.
            election::Claim::Ack { round, term } => (listens || *round > 0) && durable <= *term,
            // A candidate of this term is one now, or never again.
            election::Claim::Voted { term } => lacks_vote(site, *term, from),
            // Whoever has voted says so again, to a candidate that may not have heard.
            election::Claim::Vote { term, .. } | election::Claim::Transfer { term, .. } => {
                let again = vote == Some(from) && lacks_vote(sender, *term, to);
                durable < *term || (durable == *term && (vote.is_none() || again))
            }
        },
        Message::Notice(Notice::Append {
            term,
            prev,
            entry,
            decided,
        }) => {
            let upto = entry.as_ref().map_or(*prev, |entry| entry.id);
            // It has all that, and its leader knows. (A crash would make it forget what is decided.)
            let known = no_crash
                && current == *term
                && state.log().holds(upto)
                && *decided <= state.decided()
                && !is_news(sender, *term, to, upto.index, state.decided());
            durable <= *term && !known
        }
        Message::Claim(Claim::Appended { term, upto, decided }) => is_news(site, *term, from, *upto, *decided),
        Message::Claim(Claim::Missing { term, .. }) => current == *term && state.lead().is_some(),
        Message::Notice(Notice::Ask { .. } | Notice::Suffix { .. } | Notice::Piece { .. })
        | Message::Claim(Claim::Pieced { .. }) => true,
    }
}

/// Whether this one stands in this term and lacks that vote.
fn lacks_vote(candidate: &Member, term: Term, voter: NodeId) -> bool {
    let election = candidate.node.state().election();
    match election.role() {
        Role::Candidate { granted } => election.term() == term && !granted.contains(voter),
        Role::Observer | Role::Follower | Role::PreCandidate { .. } | Role::Leader(_) => false,
    }
}

/// Whether the leader of this term, if this is one, did not know that about a follower. Whoever leads a term leads it now,
/// or never again.
fn is_news(leader: &Member, term: Term, follower: NodeId, upto: Index, decided: Index) -> bool {
    let state = leader.node.state();
    let others = state.lead().map_or(&[][..], Lead::others);
    let mut others = others.iter().filter(|known| known.node == follower);
    state.election().term() == term && others.any(|known| known.matched < upto || known.decided < decided)
}
