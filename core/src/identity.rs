//! Who may talk: the greeting between two members of a cluster, and the rules by which it is taken or refused.
//!
//! An election is safe only if a vote is never forgotten. Three mistakes of operation break that, and no protocol above
//! can see them: a member that comes back on an empty or foreign disk has forgotten its vote; one whose disk was set back
//! to a backup has, too; and one whose state directory was copied votes twice under one id. So every connection begins
//! with a [`Hello`] in both directions, and a [`Roster`] compares it with what is known of the member it names.
//!
//! | refused | because | what would happen otherwise |
//! | --- | --- | --- |
//! | other version | its messages may mean something else | two releases read one message in two ways |
//! | other cluster, other config number | its majority is not ours | two leaders, each with a majority of its own |
//! | no member, or me | nobody gave it a vote | a stranger's vote counts; my own counts twice |
//! | other store | it came back on another disk | it votes a second time in one term |
//! | older incarnation | its disk was set back, or it is the slower of two copies | as above |
//! | here already | two processes run under one id | each votes |
//!
//! The roster is pure. Its host keeps what [`Roster::admit`] tells it to, durably and *before* it believes the member: a
//! store that was seen but not remembered would be no witness after the host's own restart. What it cannot see: a backup
//! that is opened just as often as the disk that it replaces, so that the incarnations are equal.

use alloc::vec::Vec;
use core::fmt;

use crate::types::{Name, NodeId};

/// The name of a cluster: the same at all its members, and another one for every other cluster.
pub type ClusterName = Name<32>;

/// The version of what members say to each other that this build speaks.
pub const PROTOCOL_VERSION: u8 = crate::wire::VERSION;

/// How a member introduces itself, first thing on each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hello {
    /// Of the messages that follow: [`PROTOCOL_VERSION`].
    pub protocol_version: u8,
    /// The cluster that it belongs to.
    pub cluster: ClusterName,
    /// Counts the cluster's configurations: who its members are, and with which timing.
    pub config_number: u64,
    /// Who it is.
    pub node: NodeId,
    /// The nonce that was drawn when its store was made.
    pub store: u64,
    /// How often that store was opened: raised durably before the member says anything.
    pub incarnation: u64,
}

/// What is remembered of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Known {
    /// The nonce of its store: the first that it came with.
    pub store: u64,
    /// The highest incarnation that it came with.
    pub incarnation: u64,
}

/// The members of one cluster as one of them sees them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Roster {
    me: Hello,
    /// The others, by id.
    others: Vec<Other>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Other {
    node: NodeId,
    known: Option<Known>,
    /// Whether `known` outlives this process.
    durable: bool,
}

impl Roster {
    /// `me` is what this member says of itself; `known` is what it was told to remember before it started. Members that
    /// are me are passed over, and so is what is known of others than members.
    #[must_use]
    pub fn new(
        me: Hello,
        members: impl IntoIterator<Item = NodeId>,
        known: impl IntoIterator<Item = (NodeId, Known)>,
    ) -> Self {
        let mut others: Vec<Other> = members
            .into_iter()
            .filter(|node| *node != me.node)
            .map(|node| Other {
                node,
                known: None,
                durable: false,
            })
            .collect();
        others.sort_unstable_by_key(|other| other.node);
        others.dedup_by_key(|other| other.node);
        let mut roster = Self { me, others };
        for (node, known) in known {
            if let Some(other) = roster.other_mut(node) {
                other.known = Some(known);
                other.durable = true;
            }
        }
        roster
    }

    /// What this member says of itself.
    #[must_use]
    pub const fn me(&self) -> &Hello {
        &self.me
    }

    /// The other members, by id.
    pub fn others(&self) -> impl Iterator<Item = NodeId> {
        self.others.iter().map(|other| other.node)
    }

    /// What is known of a member.
    #[must_use]
    pub fn known(&self, node: NodeId) -> Option<Known> {
        self.other(node).and_then(|other| other.known)
    }

    /// Whether `hello` may be believed; nothing is changed. `still_alive`: another connection of the same id stands, and
    /// its process has just proved that it runs.
    ///
    /// # Errors
    /// Why not.
    pub fn examine(&self, hello: &Hello, still_alive: bool) -> Result<(), Refused> {
        let (me, node) = (&self.me, hello.node);
        if hello.protocol_version != me.protocol_version {
            return Err(Refused::Version {
                theirs: hello.protocol_version,
                ours: me.protocol_version,
            });
        }
        if hello.cluster != me.cluster {
            return Err(Refused::Cluster {
                theirs: hello.cluster,
                ours: me.cluster,
            });
        }
        if hello.config_number != me.config_number {
            return Err(Refused::ConfigNumber {
                theirs: hello.config_number,
                ours: me.config_number,
            });
        }
        if node == me.node {
            return Err(Refused::ClaimsToBeMe { node });
        }
        let other = self.other(node).ok_or(Refused::NotAMember { node })?;
        if let Some(known) = other.known {
            if hello.store != known.store {
                return Err(Refused::OtherStore {
                    node,
                    known: known.store,
                    shown: hello.store,
                });
            }
            if hello.incarnation < known.incarnation {
                return Err(Refused::OlderIncarnation {
                    node,
                    known: known.incarnation,
                    shown: hello.incarnation,
                });
            }
        }
        if still_alive {
            return Err(Refused::HereAlready {
                node,
                incarnation: hello.incarnation,
            });
        }
        Ok(())
    }

    /// Believes `hello` from now on, or says why not. What it returns has to be remembered durably before the member is
    /// heard, and then be confirmed by [`Roster::remembered`]; `None` if that was done already.
    ///
    /// # Errors
    /// As [`Roster::examine`]; nothing is changed then.
    pub fn admit(&mut self, hello: &Hello, still_alive: bool) -> Result<Option<Known>, Refused> {
        self.examine(hello, still_alive)?;
        let node = hello.node;
        let other = self.other_mut(node).ok_or(Refused::NotAMember { node })?;
        let known = Known {
            store: hello.store,
            incarnation: hello.incarnation,
        };
        if other.known != Some(known) {
            other.known = Some(known);
            other.durable = false;
        }
        Ok((!other.durable).then_some(known))
    }

    /// What was to be remembered of `node` is durable. Late news of something older changes nothing.
    pub fn remembered(&mut self, node: NodeId, known: Known) {
        if let Some(other) = self.other_mut(node)
            && other.known == Some(known)
        {
            other.durable = true;
        }
    }

    fn other(&self, node: NodeId) -> Option<&Other> {
        let at = self.others.binary_search_by_key(&node, |other| other.node).ok()?;
        self.others.get(at)
    }

    fn other_mut(&mut self, node: NodeId) -> Option<&mut Other> {
        let at = self.others.binary_search_by_key(&node, |other| other.node).ok()?;
        self.others.get_mut(at)
    }
}

/// Why a hello is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// It speaks another version.
    Version {
        /// Its version.
        theirs: u8,
        /// Our version.
        ours: u8,
    },
    /// It belongs to another cluster.
    Cluster {
        /// Its cluster.
        theirs: ClusterName,
        /// Our cluster.
        ours: ClusterName,
    },
    /// It has another configuration of this cluster.
    ConfigNumber {
        /// The number of its configuration.
        theirs: u64,
        /// The number of ours.
        ours: u64,
    },
    /// The configuration has no such member.
    NotAMember {
        /// Who it says it is.
        node: NodeId,
    },
    /// It goes by this member's own id.
    ClaimsToBeMe {
        /// That id.
        node: NodeId,
    },
    /// It has another store than before: its disk was lost, or is another member's. It may have forgotten its vote.
    OtherStore {
        /// Who it says it is.
        node: NodeId,
        /// The store that belongs to that id.
        known: u64,
        /// The store that it has.
        shown: u64,
    },
    /// Its store was opened less often than the one seen before: a backup, or the slower of two copies.
    OlderIncarnation {
        /// Who it says it is.
        node: NodeId,
        /// The highest that was seen.
        known: u64,
        /// The one that it has.
        shown: u64,
    },
    /// A living process is connected under this id: its state directory was copied.
    HereAlready {
        /// Who it says it is.
        node: NodeId,
        /// The incarnation of the one that came second.
        incarnation: u64,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { theirs, ours } => write!(
                f,
                "it speaks version {theirs} and this member version {ours}: install the same release on both"
            ),
            Self::Cluster { theirs, ours } => write!(
                f,
                "it belongs to cluster \"{theirs}\" and this member to \"{ours}\": check the addresses and the cluster's \
                 name in both configurations"
            ),
            Self::ConfigNumber { theirs, ours } => write!(
                f,
                "its configuration has number {theirs} and this member's {ours}: give both the newer file and restart \
                 the one that had the older"
            ),
            Self::NotAMember { node } => write!(
                f,
                "the configuration has no member {node}: add it on every member and raise the config number, or correct \
                 its id"
            ),
            Self::ClaimsToBeMe { node } => write!(
                f,
                "it says that it is {node}, which is this member: give each process an id of its own, and check that no \
                 other member's address leads back here"
            ),
            Self::OtherStore { node, known, shown } => write!(
                f,
                "{node} came back with another store ({shown:016x}, known is {known:016x}) and may have forgotten its \
                 vote: give it back its own state directory; if that is gone, stop all members, raise `number` in the \
                 cluster's file, and start them"
            ),
            Self::OlderIncarnation { node, known, shown } => write!(
                f,
                "{node} came with incarnation {shown} after {known} was seen: its state directory is a backup or a copy; \
                 stop one of the two processes, or let it join as a new member with a new id"
            ),
            Self::HereAlready { node, incarnation } => write!(
                f,
                "{node} is connected and alive, and a second process (incarnation {incarnation}) uses its id: the state \
                 directory was copied; stop one of the two"
            ),
        }
    }
}

impl core::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn hello(node: u16) -> Hello {
        Hello {
            protocol_version: PROTOCOL_VERSION,
            cluster: ClusterName::new("plant").unwrap(),
            config_number: 4,
            node: NodeId(node),
            store: 100 + u64::from(node),
            incarnation: 7,
        }
    }

    fn roster() -> Roster {
        Roster::new(hello(0), (0..3).map(NodeId), [])
    }

    #[test]
    fn each_reason_is_found_said_and_changes_nothing() {
        let mut roster = roster();
        roster.admit(&hello(1), false).unwrap();
        let before = roster.clone();
        let good = hello(1);
        let cases = [
            (
                Hello {
                    protocol_version: 9,
                    ..good
                },
                "install the same release",
            ),
            (
                Hello {
                    cluster: ClusterName::new("barn").unwrap(),
                    ..good
                },
                "\"barn\"",
            ),
            (
                Hello {
                    config_number: 3,
                    ..good
                },
                "number 3 and this member's 4",
            ),
            (hello(3), "no member n3"),
            (hello(0), "n0, which is this member"),
            (Hello { store: 5, ..good }, "another store (0000000000000005"),
            (Hello { incarnation: 6, ..good }, "incarnation 6 after 7"),
        ];
        for (hello, words) in cases {
            let refused = roster.admit(&hello, false).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused:?} does not say {words:?}");
        }
        let twice = roster.admit(&Hello { incarnation: 8, ..good }, true).unwrap_err();
        assert!(twice.to_string().contains("alive"), "{twice}");
        assert_eq!(roster, before);
    }

    #[test]
    fn a_member_is_remembered_before_it_is_believed_and_only_once() {
        let mut roster = roster();
        let first = Known {
            store: 101,
            incarnation: 7,
        };
        assert_eq!(roster.admit(&hello(1), false), Ok(Some(first)));
        assert_eq!(
            roster.admit(&hello(1), false),
            Ok(Some(first)),
            "it was not confirmed yet"
        );
        roster.remembered(NodeId(1), first);
        assert_eq!(roster.admit(&hello(1), false), Ok(None));
        let restarted = Hello {
            incarnation: 8,
            ..hello(1)
        };
        let second = Known {
            store: 101,
            incarnation: 8,
        };
        assert_eq!(roster.admit(&restarted, false), Ok(Some(second)));
        roster.remembered(NodeId(1), first);
        assert_eq!(
            roster.admit(&restarted, false),
            Ok(Some(second)),
            "late news of the first"
        );
    }

    #[test]
    fn what_was_remembered_holds_after_a_restart() {
        let known = Known {
            store: 101,
            incarnation: 7,
        };
        let mut roster = Roster::new(hello(0), (0..3).map(NodeId), [(NodeId(1), known)]);
        assert_eq!(roster.admit(&hello(1), false), Ok(None));
        let wiped = Hello { store: 1, ..hello(1) };
        assert!(matches!(roster.admit(&wiped, false), Err(Refused::OtherStore { .. })));
        let set_back = Hello {
            incarnation: 1,
            ..hello(1)
        };
        assert!(matches!(
            roster.admit(&set_back, false),
            Err(Refused::OlderIncarnation { .. })
        ));
    }
}
