//! A FAKE of `rtcwake`, as no machine of tests may sleep. While the machine "sleeps" its agent stands still, so that it hears, says and
//! notices nothing; the only thing that ends that is the alarm clock, after as many seconds as the agent itself asked for.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The parent of this script is the agent, which calls it as `rtcwake -m mem -s SECONDS`.
const SCRIPT: &str = r#"
test "$1 $2 $3" = "-m mem -s" || exit 1
echo "$PPID $4 $(date +%s.%N)" >>"${0%/*}/naps"
kill -STOP "$PPID"
sleep "$4"
echo "$PPID up $(date +%s.%N)" >>"${0%/*}/naps"
kill -CONT "$PPID"
"#;

/// The machines of all agents.
pub struct Machines(tempfile::TempDir);

/// One sleep of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Nap {
    /// What the alarm clock was set to.
    pub alarm: Duration,
    pub down: SystemTime,
    /// None while it sleeps.
    pub up: Option<SystemTime>,
}

impl Machines {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("fake-rtcwake"), SCRIPT).expect("a file");
        fs::write(folder.path().join("naps"), "").expect("a file");
        Self(folder)
    }

    /// `[power]` of a machine that nobody can wake. As `sh SCRIPT`, so that the line never can be the real program.
    pub fn power(&self) -> String {
        let script = self.0.path().join("fake-rtcwake");
        format!("[power]\nhost = \"rtcwake\"\nrtcwake = [\"/bin/sh\", {script:?}]\nalarm-only = true\n")
    }

    /// All sleeps of the machine whose agent is this process, in order.
    pub fn naps(&self, agent: u32) -> Vec<Nap> {
        let text = fs::read_to_string(self.0.path().join("naps")).expect("it is there");
        let mut naps: Vec<Nap> = Vec::new();
        // A line that is being written has no end yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [pid, what, at] = words[..] else {
                panic!("no line of the script: {line}")
            };
            if pid != agent.to_string() {
                continue;
            }
            let at = UNIX_EPOCH + Duration::from_secs_f64(at.parse().expect("a time"));
            match (what, naps.last_mut()) {
                ("up", Some(nap)) => nap.up = Some(at),
                (seconds, _) => naps.push(Nap {
                    alarm: Duration::from_secs(seconds.parse().expect("seconds")),
                    down: at,
                    up: None,
                }),
            }
        }
        naps
    }

    /// The sleep that this one's machine is in.
    pub fn nap(&self, agent: u32) -> Option<Nap> {
        self.naps(agent).last().copied().filter(|nap| nap.up.is_none())
    }
}
