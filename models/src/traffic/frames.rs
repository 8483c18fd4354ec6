//! Exchanges as bytes, and what is to be said of them. Written from Kafka's description of its messages; that it is right is
//! held by the proxy's tests, which put the readers behind another implementation and behind real Kafka.

/// One request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// A Produce; with `acks=0` there is no answer.
    Produce {
        /// Whether it is answered.
        is_answered: bool,
    },
    /// A kind that nobody knows.
    UnknownKind,
    /// A consumer that joins a group.
    Join,
    /// A member's heartbeat to its group.
    Heartbeat(Heartbeat),
    /// What idle clients ask for. The answer may carry another number than the request.
    Metadata {
        /// Whether it carries the right one.
        in_order: bool,
    },
    /// A fetch.
    Fetch {
        /// Its version.
        version: i16,
        /// Of each topic, of each partition, whether it carries a record: a place in [`LAYOUTS`].
        layout: usize,
        /// Whether the answer ends before it should.
        is_cut: bool,
    },
    /// A question for versions.
    Versions {
        /// Asked in this one.
        version: i16,
        /// Whether the broker has it, or answers in the oldest.
        is_known: bool,
        /// The highest version of Fetch and Produce that it takes.
        highest: i16,
    },
}

/// Of groups without JoinGroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heartbeat {
    /// By which a member joins.
    Joins,
    /// Of a member that has joined.
    Stays,
    /// By which it leaves.
    Leaves,
    /// In a version that nobody knows.
    UnknownVersion,
    /// One that ends within its head.
    CutShort,
}

/// Topics of partitions, with a record or without.
const LAYOUTS: [&[&[bool]]; 9] = [
    &[],
    &[&[]],
    &[&[false]],
    &[&[true]],
    &[&[false, true]],
    &[&[true, false]],
    &[&[false], &[true]],
    &[&[], &[true]],
    &[&[false, false], &[false]],
];

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Somebody wants something done.
    Work,
    /// Its head cannot be read to the end.
    Unreadable,
    /// Idle clients send it, or its answer tells.
    Nothing,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Idle,
    Records,
    Unreadable,
}

/// An answer, and how it has to pass.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub form: Form,
    pub bytes: Vec<u8>,
    pub passed: Vec<u8>,
}

/// All requests at once, then all answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    pub requests: Vec<u8>,
    pub answers: Vec<Answer>,
}

/// All that may come next.
pub fn exchanges() -> impl Iterator<Item = Exchange> {
    let others = [
        Exchange::Produce { is_answered: true },
        Exchange::Produce { is_answered: false },
        Exchange::UnknownKind,
        Exchange::Join,
        Exchange::Heartbeat(Heartbeat::Joins),
        Exchange::Heartbeat(Heartbeat::Stays),
        Exchange::Heartbeat(Heartbeat::Leaves),
        Exchange::Heartbeat(Heartbeat::UnknownVersion),
        Exchange::Heartbeat(Heartbeat::CutShort),
        Exchange::Metadata { in_order: true },
        Exchange::Metadata { in_order: false },
    ];
    let fetches = [4, 7, 11, 12, 13, 18, 19].into_iter().flat_map(|version| {
        (0..LAYOUTS.len()).flat_map(move |layout| {
            [false, true].map(|is_cut| Exchange::Fetch {
                version,
                layout,
                is_cut,
            })
        })
    });
    let versions = [0, 2, 3, 4, 5].into_iter().flat_map(|version| {
        [(true, 12), (true, 18), (true, 300), (false, 12), (false, 300)].map(|(is_known, highest)| Exchange::Versions {
            version,
            is_known,
            highest,
        })
    });
    others.into_iter().chain(fetches).chain(versions)
}

impl Exchange {
    /// What the request by itself has to be taken for.
    pub(super) const fn asks(self) -> Ask {
        match self {
            Self::Produce { .. } | Self::UnknownKind | Self::Join | Self::Heartbeat(Heartbeat::Joins) => Ask::Work,
            Self::Heartbeat(Heartbeat::UnknownVersion | Heartbeat::CutShort) => Ask::Unreadable,
            Self::Heartbeat(Heartbeat::Stays | Heartbeat::Leaves)
            | Self::Metadata { .. }
            | Self::Fetch { .. }
            | Self::Versions { .. } => Ask::Nothing,
        }
    }

    fn request(self, number: i32) -> Vec<u8> {
        let (kind, version, rest): (i16, i16, &[u8]) = match self {
            // A client's name, no transaction, acks, and some records.
            Self::Produce { is_answered: true } => (0, 7, &[0, 1, b'c', 0xff, 0xff, 0xff, 0xff, 0, 0, 7, 7]),
            Self::Produce { is_answered: false } => (0, 9, &[0, 1, b'c', 0, 0, 0, 0, 0, 0, 7, 7]),
            Self::UnknownKind => (1000, 0, &[]),
            Self::Join => (11, 9, &[0xff, 0xff, 0, 2, b'g']),
            // A client without a name, a tag of two bytes; group, member, epoch; and the rest.
            Self::Heartbeat(Heartbeat::Joins) => (68, 1, b"\xff\xff\x01\x07\x02\0\0\x02g\x03me\0\0\0\0\xff"),
            Self::Heartbeat(Heartbeat::Stays) => (76, 1, b"\0\x01c\0\x02g\x03me\0\0\x01\0\0"),
            Self::Heartbeat(Heartbeat::Leaves) => (88, 0, b"\0\0\0\x02g\x01\xff\xff\xff\xff\0"),
            Self::Heartbeat(Heartbeat::UnknownVersion) => (68, 2, b"\xff\xff\0\x02g\x03me\0\0\0\x05"),
            Self::Heartbeat(Heartbeat::CutShort) => (68, 1, b"\xff\xff\0\x02g\x03me\0\0\0"),
            Self::Metadata { .. } => (3, 12, &[0xff, 0xff, 0]),
            Self::Fetch { version, .. } => (1, version, &[0xff, 0xff, 0, 0, 1]),
            Self::Versions { version, .. } => (18, version, &[0xff, 0xff]),
        };
        let head = [&kind.to_be_bytes()[..], &version.to_be_bytes(), &number.to_be_bytes()];
        framed(&[&head.concat()[..], rest].concat())
    }

    fn answer(self, number: i32) -> Option<Answer> {
        let idle = |content: &[u8]| Answer::unchanged(Form::Idle, number, content);
        Some(match self {
            Self::Produce { is_answered: false } => return None,
            Self::Produce { .. }
            | Self::UnknownKind
            | Self::Join
            | Self::Heartbeat(_)
            | Self::Metadata { in_order: true } => idle(&[0; 6]),
            Self::Metadata { in_order: false } => Answer::unchanged(Form::Unreadable, number + 100, &[0; 6]),
            Self::Fetch {
                version,
                layout,
                is_cut,
            } => {
                let mut content = fetched(version, LAYOUTS[layout]);
                let carries = LAYOUTS[layout].concat().contains(&true);
                if is_cut {
                    // Before the count of topics is complete.
                    content.truncate(if version >= 12 { 6 } else { 3 });
                }
                let form = match (is_cut || version > 18, carries) {
                    (true, _) => Form::Unreadable,
                    (false, true) => Form::Records,
                    (false, false) => Form::Idle,
                };
                Answer::unchanged(form, number, &content)
            }
            Self::Versions {
                version,
                is_known,
                highest,
            } => {
                let form = if is_known { version } else { 0 };
                let error = if is_known { 0 } else { 35 };
                let content = offered(form, error, (highest, highest, highest));
                // A form that nobody knows passes as it is.
                let passed = if form > 4 {
                    content.clone()
                } else {
                    offered(form, error, (highest.min(13), highest.min(18), highest.min(1)))
                };
                Answer {
                    form: Form::Idle,
                    bytes: answered(number, &content),
                    passed: answered(number, &passed),
                }
            }
        })
    }
}

impl Answer {
    fn unchanged(form: Form, number: i32, content: &[u8]) -> Self {
        let bytes = answered(number, content);
        Self {
            form,
            passed: bytes.clone(),
            bytes,
        }
    }
}

impl Conversation {
    pub(super) fn of(exchanges: &[Exchange]) -> Self {
        let mut conversation = Self::default();
        let mut is_lost = false;
        for (number, exchange) in (1..).zip(exchanges) {
            conversation.requests.extend(exchange.request(number));
            if let Some(mut answer) = exchange.answer(number) {
                // After an answer out of order none can be told any more, and so none is changed.
                if is_lost {
                    answer.form = Form::Unreadable;
                    answer.passed.clone_from(&answer.bytes);
                }
                is_lost |= *exchange == Exchange::Metadata { in_order: false };
                conversation.answers.push(answer);
            }
        }
        conversation
    }
}

fn framed(content: &[u8]) -> Vec<u8> {
    let length = i32::try_from(content.len()).expect("a short one");
    [&length.to_be_bytes()[..], content].concat()
}

fn answered(number: i32, content: &[u8]) -> Vec<u8> {
    framed(&[&number.to_be_bytes()[..], content].concat())
}

/// A count before an array.
fn count(is_flexible: bool, many: usize) -> Vec<u8> {
    if is_flexible {
        vec![u8::try_from(many + 1).expect("few")]
    } else {
        u32::try_from(many).expect("few").to_be_bytes().to_vec()
    }
}

/// What stands behind the number of an answer to a fetch.
fn fetched(version: i16, topics: &[&[bool]]) -> Vec<u8> {
    let flexible = version >= 12;
    let tags: &[u8] = if flexible { &[0] } else { &[] };
    // Tags of the head, throttle time, error and session.
    let mut bytes = [tags, if version >= 7 { &[0; 10] } else { &[0; 4] }].concat();
    bytes.extend(count(flexible, topics.len()));
    for topic in topics {
        match version {
            13.. => bytes.extend([9; 16]),
            12 => bytes.extend([2, b't']),
            _ => bytes.extend([0, 1, b't']),
        }
        bytes.extend(count(flexible, topic.len()));
        for carries in *topic {
            bytes.extend(vec![0; if version >= 5 { 30 } else { 22 }]);
            // One aborted transaction.
            bytes.extend(count(flexible, 1));
            bytes.extend([8; 16]);
            bytes.extend(tags);
            if version >= 11 {
                bytes.extend([0xff; 4]);
            }
            bytes.extend(count(flexible, usize::from(*carries)));
            bytes.extend(vec![7; usize::from(*carries)]);
            if flexible {
                // Which log it diverges from: a tag of two bytes.
                bytes.extend([1, 0, 2, 0, 0]);
            }
        }
        bytes.extend(tags);
    }
    bytes.extend(tags);
    bytes
}

/// What stands behind the number of an answer to a question for versions.
fn offered(form: i16, error: i16, (produce, fetch, heartbeat): (i16, i16, i16)) -> Vec<u8> {
    let flexible = form >= 3;
    let tags: &[u8] = if flexible { &[0] } else { &[] };
    let mut bytes = error.to_be_bytes().to_vec();
    bytes.extend(count(flexible, 4));
    for (kind, lowest, highest) in [
        (18_i16, 0_i16, 300_i16),
        (1, 4, fetch),
        (68, 0, heartbeat),
        (0, 3, produce),
    ] {
        bytes.extend([kind, lowest, highest].map(i16::to_be_bytes).concat());
        bytes.extend(tags);
    }
    if form >= 1 {
        bytes.extend([0; 4]);
    }
    bytes.extend(tags);
    bytes
}
