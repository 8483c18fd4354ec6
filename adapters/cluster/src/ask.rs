//! Requests and replies between a client and a node: JSON, one object each.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::Status;

/// The version of the requests and replies that this build speaks.
pub const VERSION: u64 = 1;
/// The largest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 4096;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Who leads, with which fencing number? Answered only with a majority behind the answer.
    Leader,
    /// What does this node know?
    Status,
    /// The leader shall hand over.
    Transfer {
        /// To whom; none for whom it finds fittest.
        #[serde(default)]
        to: Option<u16>,
    },
    /// The node shall not lead, or may again.
    Drain {
        /// Whether it shall not.
        on: bool,
    },
    /// The leader shall step down.
    Resign,
    /// The leader shall append this to the journal.
    Append {
        /// What.
        text: String,
    },
    /// What does the journal say?
    Entries {
        /// From this place on; the first that is kept, if that is later.
        #[serde(default)]
        from: u64,
        /// Only with a majority behind the answer, so that nothing decided before is missing. Else from this node's own copy.
        #[serde(default)]
        confirmed: bool,
    },
    /// The Pehredar shall let brokers sleep again.
    Enable {
        /// Above that of every order before: [`crate::SleepStatus::epoch`] says which was the last. An order that comes again is void.
        epoch: u64,
    },
    /// All shall wake up and stay awake, until an admin enables again.
    Disable,
    /// This node's broker shall wake up, or all shall.
    Wake {
        /// All.
        #[serde(default)]
        all: bool,
    },
    /// The Pehredar shall let these brokers be worked on, one after the other, itself last.
    Maintain {
        /// Which; all of them if there are none here.
        #[serde(default)]
        nodes: Vec<u16>,
    },
    /// The work on this node's broker is done.
    Maintained,
    /// This node's broker shall never sleep, or may again.
    StayAwake {
        /// Whether it shall stay awake.
        on: bool,
    },
    /// Would this node's broker sleep if it were let? Why not?
    SelfCheck,
}

/// The names of all requests.
pub const NAMES: [&str; 14] = [
    "leader",
    "status",
    "transfer",
    "drain",
    "resign",
    "append",
    "entries",
    "enable",
    "disable",
    "wake",
    "maintain",
    "maintained",
    "stay-awake",
    "self-check",
];

impl Ask {
    /// Its name in a request.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Status => "status",
            Self::Transfer { .. } => "transfer",
            Self::Drain { .. } => "drain",
            Self::Resign => "resign",
            Self::Append { .. } => "append",
            Self::Entries { .. } => "entries",
            Self::Enable { .. } => "enable",
            Self::Disable => "disable",
            Self::Wake { .. } => "wake",
            Self::Maintain { .. } => "maintain",
            Self::Maintained => "maintained",
            Self::StayAwake { .. } => "stay-awake",
            Self::SelfCheck => "self-check",
        }
    }

    /// Whether it only asks. Anybody may.
    #[must_use]
    pub const fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Leader | Self::Status | Self::Entries { .. } | Self::SelfCheck
        )
    }

    /// Whether it can lead towards sleep, or take a broker down: with an admin's key in the cluster's file it must be signed
    /// ([`crate::signed`]). What only wakes never needs that.
    #[must_use]
    pub const fn needs_signature(&self) -> bool {
        match self {
            // After the work on one broker the next is taken down.
            Self::Enable { .. } | Self::Maintain { .. } | Self::Maintained | Self::StayAwake { on: false } => true,
            // Who leads decides who sleeps.
            Self::Transfer { .. } | Self::Drain { .. } | Self::Resign => true,
            Self::Disable | Self::Wake { .. } | Self::StayAwake { on: true } => false,
            Self::Leader | Self::Status | Self::Append { .. } | Self::Entries { .. } | Self::SelfCheck => false,
        }
    }

    /// Whether it is about sleep: only a cluster with guard duty has an answer.
    #[must_use]
    pub const fn is_of_sleep(&self) -> bool {
        match self {
            Self::Enable { .. }
            | Self::Disable
            | Self::Wake { .. }
            | Self::Maintain { .. }
            | Self::Maintained
            | Self::StayAwake { .. }
            | Self::SelfCheck => true,
            Self::Leader
            | Self::Status
            | Self::Transfer { .. }
            | Self::Drain { .. }
            | Self::Resign
            | Self::Append { .. }
            | Self::Entries { .. } => false,
        }
    }

    /// The body of the request.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        bytes(self)
    }

    /// Reads a request. Fields that it does not know are skipped.
    ///
    /// # Errors
    /// What to reply if it is none.
    pub fn read(body: &[u8]) -> Result<Self, Trouble> {
        if body.len() > REQUEST_BYTES_MAX {
            let reason = format!("a request of {} bytes; the limit is {REQUEST_BYTES_MAX}", body.len());
            return Err(Trouble::new(TroubleKind::TooLong, reason));
        }
        let not_json = |what: &dyn fmt::Display| {
            let reason = format!("a request is a JSON object such as {{\"ask\":\"leader\"}}, and this is not: {what}");
            Trouble::new(TroubleKind::NotJson, reason)
        };
        let value: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        let Value::Object(fields) = &value else {
            return Err(not_json(&"it is no object"));
        };
        if let Some(version) = fields.get("version")
            && version.as_u64() != Some(VERSION)
        {
            let reason = format!("version {version} is not spoken here; leave it out, or write {VERSION}");
            let mut trouble = Trouble::new(TroubleKind::Version, reason);
            trouble.versions = vec![VERSION];
            return Err(trouble);
        }
        let name = fields.get("ask").and_then(Value::as_str);
        if name.is_none_or(|name| !NAMES.contains(&name)) {
            let found = fields.get("ask").map_or("nothing".into(), Value::to_string);
            let reason = format!("\"ask\" is {found}; it can be {}", NAMES.join(", "));
            return Err(Trouble::new(TroubleKind::UnknownAsk, reason));
        }
        let name = name.unwrap_or_default().to_owned();
        serde_json::from_value(value).map_err(|error| Trouble::new(TroubleKind::BadField, format!("{name}: {error}")))
    }
}

/// What a node replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Ask::Leader`].
    Leader(Lead),
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// It was done.
    Done(Done),
    /// To [`Ask::Append`]: it is decided, and on the disks of a majority.
    Appended(Place),
    /// To [`Ask::Entries`].
    Entries(Box<Entries>),
    /// To [`Ask::SelfCheck`].
    SelfChecked(Box<SelfChecked>),
    /// It was understood and not done.
    Refused(Refused),
    /// It was not understood.
    Error(Trouble),
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// This node did, after the question came, with a majority behind it.
    Known(Leader),
    /// Not known here.
    Unknown(Unknown),
}

/// A leader whose majority was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Its id.
    pub node: u16,
    /// Where it listens.
    pub address: String,
    /// The number to send along with writes, so that older leaders can be refused.
    pub fencing: u64,
}

/// Why a leader is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// In words, for people.
    pub reason: String,
    /// Whom to ask instead, if there is somebody.
    #[serde(rename = "try", default, skip_serializing_if = "Option::is_none")]
    pub try_node: Option<u16>,
    /// Where that one listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub try_address: Option<String>,
}

impl Unknown {
    /// Whether it can be otherwise in a moment, so that the same may be asked again. The reason says so, to people and programs.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        ["ask again", "still may", "knows no leader"]
            .iter()
            .any(|words| self.reason.contains(words))
    }
}

/// That a request was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Which one.
    pub ask: String,
    /// The node that did it.
    pub node: u16,
    /// What came of it, in words, for people.
    pub what: String,
    /// Who leads now, if that is known; not confirmed.
    #[serde(default)]
    pub leader: Option<u16>,
    /// The term in which that was.
    #[serde(default)]
    pub term: u64,
}

/// Where something stands in the journal. No two leaders put something in the same place of one term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The place, counted from 1; leaders also use places for themselves.
    pub index: u64,
    /// The term of the leader that appended it.
    pub term: u64,
}

/// One entry of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What it says.
    pub text: String,
}

/// A part of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// The entries, in order.
    pub list: Vec<Entry>,
    /// All that is decided up to here is in this copy. Ask on from behind the last entry, until it is there.
    pub upto: u64,
    /// What stood before this place is kept no longer.
    pub kept_from: u64,
    /// Whether a majority stood behind it.
    pub confirmed: bool,
}

/// What a member of PEHRA finds when it checks itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfChecked {
    /// The node.
    pub node: u16,
    /// It would sleep if it were let.
    pub would_sleep: bool,
    /// Each thing that was looked at, in the order in which they were.
    pub checks: Vec<Checked>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What.
    pub what: String,
    /// Whether it is well.
    pub well: bool,
    /// What was found, and what to do if it is not well.
    pub found: String,
}

/// That a request was understood and not carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which one.
    pub ask: String,
    /// Why and what to do.
    #[serde(flatten)]
    pub why: Unknown,
}

/// What is wrong with a request. Programs look at the kind, people at the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Which rule it breaks.
    pub kind: TroubleKind,
    /// What is wrong, and what to send instead.
    pub reason: String,
    /// The versions that are spoken, if that is the trouble.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<u64>,
}

/// The rules that a request can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// It is no JSON object.
    NotJson,
    /// It is longer than [`REQUEST_BYTES_MAX`].
    TooLong,
    /// It is of another version.
    Version,
    /// It asks what is not known here.
    UnknownAsk,
    /// A field is missing or of the wrong type.
    BadField,
    /// Too many questions are open, or the node is about to stop: ask again later, or another node.
    Busy,
    /// Something that this build does not know.
    #[serde(other)]
    Other,
}

impl Trouble {
    /// A trouble.
    pub fn new(kind: TroubleKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            versions: Vec::new(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Trouble {}

/// A reply that a client cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the reply is not understood ({}); is it a node of this cluster, and of this release?",
            self.0
        )
    }
}

impl std::error::Error for Unreadable {}

impl Reply {
    /// The body of the reply.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let under = |key: &str, value: Value| bytes(&serde_json::json!({ key: value }));
        match self {
            Self::Leader(Lead::Known(leader)) => under("leader", value(leader)),
            Self::Leader(Lead::Unknown(unknown)) => {
                let mut fields = value(unknown);
                if let Value::Object(fields) = &mut fields {
                    fields.insert("leader".into(), Value::Null);
                }
                bytes(&fields)
            }
            Self::Status(status) => under("status", value(status)),
            Self::Done(done) => under("done", value(done)),
            Self::Appended(place) => under("appended", value(place)),
            Self::Entries(entries) => under("entries", value(entries)),
            Self::SelfChecked(checked) => under("self-checked", value(checked)),
            Self::Refused(refused) => under("refused", value(refused)),
            Self::Error(trouble) => under("error", value(trouble)),
        }
    }

    /// Reads a reply. Fields that it does not know are skipped.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = |error: serde_json::Error| Unreadable(error.to_string());
        let mut whole: Value = serde_json::from_slice(body).map_err(unreadable)?;
        let Value::Object(fields) = &mut whole else {
            return Err(Unreadable("it is no JSON object".into()));
        };
        match fields.remove("leader") {
            Some(Value::Null) => {
                let unknown = serde_json::from_value(whole).map_err(unreadable)?;
                return Ok(Self::Leader(Lead::Unknown(unknown)));
            }
            Some(leader) if !leader.is_object() => return Err(Unreadable("\"leader\" is no object".into())),
            Some(leader) => {
                let leader = serde_json::from_value(leader).map_err(unreadable)?;
                return Ok(Self::Leader(Lead::Known(leader)));
            }
            None => {}
        }
        type Read = fn(Value) -> serde_json::Result<Reply>;
        let kinds: [(&str, Read); 7] = [
            ("status", |value| serde_json::from_value(value).map(Self::Status)),
            ("done", |value| serde_json::from_value(value).map(Self::Done)),
            ("appended", |value| serde_json::from_value(value).map(Self::Appended)),
            ("entries", |value| serde_json::from_value(value).map(Self::Entries)),
            ("self-checked", |value| {
                serde_json::from_value(value).map(Self::SelfChecked)
            }),
            ("refused", |value| serde_json::from_value(value).map(Self::Refused)),
            ("error", |value| serde_json::from_value(value).map(Self::Error)),
        ];
        for (key, read) in kinds {
            if let Some(value) = fields.remove(key) {
                // Serde would take a list for an object, its values in the order of the fields.
                if !value.is_object() {
                    return Err(Unreadable(format!("{key:?} is no object")));
                }
                return read(value).map_err(unreadable);
            }
        }
        Err(Unreadable(
            "it has none of leader, status, done, appended, entries, self-checked, refused, error".into(),
        ))
    }
}

fn value(of: &impl Serialize) -> Value {
    // Text keys and finite numbers only: nothing of ours can fail to be written.
    serde_json::to_value(of).unwrap_or_default()
}

fn bytes(of: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(of).unwrap_or_default()
}
