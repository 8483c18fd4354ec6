//! The schemas, as migrations: a script is never changed once released, only followed by another.

/// The edge: positions, windows, outbox and what was set aside.
pub(crate) const EDGE: &[&str] = &[r"
CREATE TABLE cursors (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER,                              -- 64 bits, as a signed number
    last INTEGER NOT NULL, sent INTEGER NOT NULL, acked INTEGER NOT NULL, oldest INTEGER NOT NULL
);
CREATE TABLE positions (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE households (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    until_ms INTEGER,                           -- all windows before this are closed
    postal_code TEXT                            -- the cloud's code, once known
);
CREATE TABLE kept (                             -- readings of windows that are open or can still be revised
    household INTEGER NOT NULL, time_ms INTEGER NOT NULL, power_mw INTEGER NOT NULL, register INTEGER,
    PRIMARY KEY (household, time_ms)
) WITHOUT ROWID;
CREATE TABLE closed (                           -- closed windows that can still be revised
    household INTEGER NOT NULL, start_ms INTEGER NOT NULL, revision INTEGER NOT NULL,
    PRIMARY KEY (household, start_ms)
) WITHOUT ROWID;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,
    household INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    gap_until_ms INTEGER,                       -- a gap: all that follows is NULL
    sum_mw INTEGER, n INTEGER, min_mw INTEGER, max_mw INTEGER,
    first_register INTEGER, last_register INTEGER, revision INTEGER
);
CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY,
    why TEXT NOT NULL,
    partition INTEGER NOT NULL, position INTEGER NOT NULL, after INTEGER NOT NULL,
    household TEXT, time_ms INTEGER, power_mw INTEGER, register INTEGER,
    raw BLOB
);
-- What the seed's table of this name showed. The timestamp is the window's start, the average is in milliwatts.
CREATE VIEW power_averages (id, node_id, average, postal_code, timestamp, sent) AS
SELECT o.seq, h.name, CAST(o.sum_mw AS REAL) / o.n, h.postal_code, datetime(o.start_ms / 1000, 'unixepoch'),
       (o.seq <= c.sent) + (o.seq <= c.acked)
FROM outbox o JOIN households h ON h.id = o.household JOIN cursors c
WHERE o.n IS NOT NULL;
"];

/// The cloud without Redis: one mark for each edge, windows, codes.
pub(crate) const CLOUD: &[&str] = &[r"
CREATE TABLE marks (
    edge TEXT PRIMARY KEY, epoch INTEGER, high INTEGER NOT NULL, retired TEXT NOT NULL,
    rows_applied INTEGER NOT NULL               -- counted one by one: more than the mark would mean a row applied twice
) WITHOUT ROWID;
CREATE TABLE skipped (edge TEXT NOT NULL, epoch INTEGER, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE codes (household TEXT PRIMARY KEY, code TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE windows (
    edge TEXT NOT NULL, household TEXT NOT NULL, start_ms INTEGER NOT NULL, gap_until_ms INTEGER,
    sum_mw INTEGER, n INTEGER, min_mw INTEGER, max_mw INTEGER, first_register INTEGER, last_register INTEGER,
    revision INTEGER,
    PRIMARY KEY (edge, household, start_ms)
) WITHOUT ROWID;
"];

/// A voter: what it must not forget, what it is, and what it knows of its peers.
pub(crate) const ELECTION: &[&str] = &[VOTER];

/// A voter with a log. One that had none keeps its vote when it gets one; it cannot go back.
pub(crate) const LOG: &[&str] = &[
    VOTER,
    r"
CREATE TABLE entries (idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, body BLOB); -- no body: an empty entry
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,                    -- its pieces have this number
    term INTEGER NOT NULL, idx INTEGER NOT NULL, -- the last entry that it covers
    gathered_term INTEGER, gathered_idx INTEGER -- of the one that is being gathered, whose pieces have the next number
);
CREATE TABLE pieces (
    number INTEGER NOT NULL, nth INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (number, nth)
);
INSERT INTO snapshot VALUES (1, 0, 0, 0, NULL, NULL);
",
    // Whether the log may lack entries that this voter has acknowledged.
    "ALTER TABLE snapshot ADD COLUMN lacks INTEGER NOT NULL DEFAULT 0",
];

const VOTER: &str = r"
CREATE TABLE hard (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, vote INTEGER);
CREATE TABLE voter (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    cluster TEXT NOT NULL, node INTEGER NOT NULL,
    number INTEGER NOT NULL,                    -- of the cluster's configuration
    store INTEGER NOT NULL,                     -- drawn when the store was made
    incarnation INTEGER NOT NULL,               -- how often it was opened
    seal INTEGER NOT NULL,                      -- never below the marker's, unless something was lost
    lost_under INTEGER NOT NULL                 -- the number under which it was lost, or 0
);
CREATE TABLE known (
    number INTEGER NOT NULL, node INTEGER NOT NULL, store INTEGER NOT NULL, incarnation INTEGER NOT NULL,
    PRIMARY KEY (number, node)
) WITHOUT ROWID;
";
