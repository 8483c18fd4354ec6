//! What came of a run, to be kept and read.

use std::fmt::Write as _;

use pehra_core::sleep::coverage::saving_permille_max;
use serde::{Deserialize, Serialize};

use super::contest::{Case, Policy, Run};
use super::meter::{DRAWS, Draws};
use super::plant::Build;
use crate::results::Entry;
use crate::simulator::{Failure, Time};

/// What an idle machine draws of what one at work does, in thousandths: the columns of the tables.
pub const IDLE_OF_ACTIVE: [u32; 3] = [250, 400, 600];

/// Energy, for one kind of load on the machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Energy {
    /// What an idle machine draws of what one at work does, in thousandths.
    pub idle_of_active_permille: u32,
    /// What was drawn, in kilojoules.
    pub kilojoules: u64,
    /// What the same cluster draws on the same load if nobody sleeps.
    pub always_on_kilojoules: u64,
    /// What was saved of that; less than nothing if more was drawn.
    pub saving_permille: i64,
    /// What nobody can save more than (`S_max`).
    pub saving_permille_max: u32,
    /// The part of it that was reached; of nothing, nothing.
    pub of_max_permille: i64,
    /// The part that was reached of what somebody saves who knows how long each pause lasts.
    pub of_oracle_permille: i64,
}

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// So many.
    pub count: usize,
    /// Half took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// None took longer.
    pub p100: u64,
}

/// What came of one policy in one case. All of it is modelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Case and policy.
    pub name: String,
    /// Always: no figure here was measured.
    pub modelled: bool,
    /// How many brokers.
    pub brokers: u16,
    /// How many may sleep at once.
    pub sleepers_max: u32,
    /// The mode in which machines sleep.
    pub hardware: String,
    /// What there was to do.
    pub load: String,
    /// For how many thousandths of the time there was nothing to do.
    pub idle_permille: u16,
    /// How long, in hours.
    pub hours: u64,
    /// The policy.
    pub policy: String,
    /// Energy.
    pub energy: Vec<Energy>,
    /// Machines woken, by call or alarm clock.
    pub wakes: u64,
    /// The same for each broker and day, in hundredths.
    pub wakes_per_node_day_hundredths: u64,
    /// By alarm clock.
    pub alarms: u64,
    /// By alarm clock, and then the broker was started too.
    pub alarms_full: u64,
    /// Alarms that did not ring.
    pub alarms_missed: u64,
    /// How long the first request of an episode waited.
    pub outage: Option<Waits>,
    /// How long it took from it until everybody was up.
    pub full: Option<Waits>,
    /// The longest that a request may wait, in milliseconds.
    pub bound_ms: u64,
    /// Thousandths of the brokers' time in each state, in words.
    pub share_permille: String,
    /// Of these, asleep.
    pub asleep_permille: u64,
}

impl Outcome {
    /// Runs a policy in a case, and says what came of it, for machines that draw so many thousandths of their power at work when they idle.
    ///
    /// # Errors
    /// What was wrong in the run.
    pub fn of(case_name: &str, case: &Case, policy: Policy, idle_of_active: &[u32]) -> Result<Self, Failure> {
        Self::of_run(case_name, case, policy, &case.run(policy)?, idle_of_active)
    }

    /// What came of a run of this policy in this case.
    ///
    /// # Errors
    /// What was wrong in the runs that it is compared with.
    pub fn of_run(
        case_name: &str,
        case: &Case,
        policy: Policy,
        run: &Run,
        idle_of_active: &[u32],
    ) -> Result<Self, Failure> {
        let always_on = case.run(Policy::AlwaysOn)?;
        let oracle = case.run(policy.oracle())?;
        let length = case.loads.first().map_or(Time(0), |load| load.length);
        let sleepers_max = if policy == Policy::AlwaysOn {
            0
        } else {
            case.sleepers_max(policy.gear())
        };
        let wakes = run.counts.calls + run.counts.alarms;
        let node_days_millionths = length.0 / 86_400 * u64::from(case.brokers);
        let energy = |a| energy(case, (run, &always_on, &oracle), sleepers_max, a);
        Ok(Self {
            name: format!("{case_name}, {}", policy.name()),
            modelled: true,
            brokers: case.brokers,
            sleepers_max,
            hardware: case.hardware.name.into(),
            load: case.loads.first().map(|load| load.name.clone()).unwrap_or_default(),
            idle_permille: case.idle_permille(),
            hours: length.0 / 3_600_000_000,
            policy: policy.name().into(),
            energy: idle_of_active.iter().map(|a| energy(*a)).collect(),
            wakes,
            wakes_per_node_day_hundredths: (wakes * 100_000_000).checked_div(node_days_millionths).unwrap_or(0),
            alarms: run.counts.alarms,
            alarms_full: run.counts.alarms_full,
            alarms_missed: run.counts.alarms_missed,
            outage: Waits::of(&run.outages),
            full: Waits::of(&run.fulls),
            bound_ms: Build::usual(3, policy.gear(), case.hardware).bound().0 / 1000,
            share_permille: DRAWS
                .iter()
                .map(|(draws, name)| format!("{name} {}", run.times.permille(*draws)))
                .collect::<Vec<_>>()
                .join(", "),
            asleep_permille: run.times.permille(Draws::Asleep),
        })
    }

    /// Whether the longest outage is within the bound.
    #[must_use]
    pub fn is_in_time(&self) -> bool {
        self.outage.is_none_or(|waits| waits.p100 <= self.bound_ms)
    }
}

fn energy(case: &Case, (run, always_on, oracle): (&Run, &Run, &Run), sleepers_max: u32, a: u32) -> Energy {
    let work = always_on.times.of(Draws::Active);
    let joules = |run: &Run| i64::try_from(run.times.joules(&case.hardware, a, work)).unwrap_or(i64::MAX);
    let all = joules(always_on);
    let saved = all - joules(run);
    let max = saving_permille_max(
        sleepers_max,
        case.brokers.into(),
        case.idle_permille(),
        case.hardware.watts(a),
    );
    let most = i128::from(all) * i128::from(max) / 1000;
    let part = |of: i128| i64::try_from((i128::from(saved) * 1000).checked_div(of).unwrap_or(0)).unwrap_or(0);
    Energy {
        idle_of_active_permille: a,
        kilojoules: u64::try_from(joules(run) / 1000).unwrap_or(0),
        always_on_kilojoules: u64::try_from(all / 1000).unwrap_or(0),
        saving_permille: part(all.into()),
        saving_permille_max: max,
        of_max_permille: part(most),
        of_oracle_permille: part((all - joules(oracle)).into()),
    }
}

impl Waits {
    /// Of these; none of none.
    #[must_use]
    pub fn of(waits: &[Time]) -> Option<Self> {
        let mut sorted: Vec<u64> = waits.iter().map(|wait| wait.0.div_ceil(1000)).collect();
        sorted.sort_unstable();
        let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        (!sorted.is_empty()).then(|| Self {
            count: sorted.len(),
            p50: at(50),
            p99: at(99),
            p100: at(100),
        })
    }
}

/// The head of the page.
const HEAD: &str = "# Energy of sleeping brokers: modelled\n\nGenerated by `models/tests/energy.rs`. **Every figure here is modelled, nothing was \
     measured**: watts and durations are those of `models/src/energy/hardware.rs`, and a broker that is stopped on a machine that stays up saves \
     nothing here. Lean and watch run the deployed `Node<Sleep>` in virtual time, three voters on machines of their own, whose energy is in \
     none of the figures. *As written* is the original's rules without coverage: it may go beyond S_max, since more sleep than is safe, and \
     lets requests wait for hours. The *oracle* knows how long each pause lasts, sleeps at once or not at all, and wakes when the first \
     request comes: no policy that wakes all saves more. More than 48 brokers are **wards** of at most 48: a ward is one Pehra cluster with \
     its own Pehredar, its own topics and its own load. The work is the same for all: a machine that is still waking has not saved what it \
     will do. S_max takes all to be up while there is something to do, so a policy that wakes as few as needed may go beyond it.\n\n\
     In watch gear a request waits for a machine to start. With S5 that is longer than the 120 s after which a producer gives up by \
     default: those rows are there to compare, not to be run. In lean gear nobody waits.\n\n\
     Loads: f is the share of idle time in the long run, in per cent; pauses last two hours in the mean. One day is drawn (half a day at 1,000 \
     brokers), and the share of it that is idle is printed.\n\n";

/// What the columns are.
const COLUMNS: &str = "Columns: saving of what an always-on cluster draws on the same load / what nobody can save more than (S_max, for the \
     k that coverage allows) / the part reached of S_max, for a = P_idle / P_active; the part reached of the oracle's saving at a = 0.4; machines woken \
     for each broker and day; the longest that a first request waited, and the bound; until all were up at the longest.\n\n";

/// How a part of the entries fares against the aim: 90 % of `S_max`, and nobody waits longer than the bound.
#[must_use]
pub fn summary(outcomes: &[&Outcome]) -> String {
    let mut page = String::from(
        "## Against the aim\n\n\
         Cells are cases times three values of a. The grid is N times f times S3 and S5; other loads have many pauses near or below the break-even \
         time, in which S_max, which ignores what starting costs, is out of anybody's reach.\n\n\
         | loads | policy | cells | ≥ 90 % of S_max | least of S_max % | least of oracle % | outages beyond the bound |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (part, of_grid) in [("grid", true), ("others", false)] {
        let is_in = |outcome: &&Outcome| outcome.name.contains(", f = ") == of_grid && !outcome.name.contains(" min, ");
        for hardware in ["S3", "S5"] {
            for policy in Policy::ALL {
                let those: Vec<&Outcome> = outcomes
                    .iter()
                    .filter(|it| is_in(it) && it.policy == policy.name() && it.hardware == hardware)
                    .copied()
                    .collect();
                let cells = || those.iter().flat_map(|outcome| &outcome.energy);
                if those.is_empty() {
                    continue;
                }
                let reached = cells().filter(|energy| energy.of_max_permille >= 900).count();
                let least = |part: fn(&Energy) -> i64| cells().map(part).min().map_or_else(String::new, tenth);
                let _ = writeln!(
                    page,
                    "| {part}, {hardware} | {} | {} | {reached} | {} | {} | {} |",
                    policy.name(),
                    cells().count(),
                    least(|energy| energy.of_max_permille),
                    least(|energy| energy.of_oracle_permille),
                    those.iter().filter(|outcome| !outcome.is_in_time()).count(),
                );
            }
        }
    }
    page + "\n## All\n\n"
}

fn tenth(permille: i64) -> String {
    let minus = if permille < 0 { "−" } else { "" };
    format!("{minus}{}.{}", permille.abs() / 10, permille.abs() % 10)
}

/// One table of these.
#[must_use]
pub fn table(outcomes: &[&Outcome]) -> String {
    let mut page = String::from(
        "| case | k of N | idle % | a = 0.25 | a = 0.4 | a = 0.6 | of oracle | kJ (a = 0.4) | wakes | asleep % | outage p50, p100 s (bound) | full p100 s |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for outcome in outcomes {
        let saving = |at: usize| {
            outcome.energy.get(at).map_or_else(String::new, |energy| {
                format!(
                    "{} / {} / **{}**",
                    tenth(energy.saving_permille),
                    tenth(energy.saving_permille_max.into()),
                    energy.of_max_permille / 10
                )
            })
        };
        let seconds = |ms: u64| format!("{}.{}", ms / 1000, ms % 1000 / 100);
        let outage = outcome.outage.map_or_else(
            || "–".into(),
            |waits| {
                let late = if outcome.is_in_time() { "" } else { ", late" };
                format!(
                    "{}, {} ({}{late})",
                    seconds(waits.p50),
                    seconds(waits.p100),
                    seconds(outcome.bound_ms)
                )
            },
        );
        let middle = outcome.energy.get(1);
        let _ = writeln!(
            page,
            "| {} | {} of {} | {} | {} | {} | {} | {} | {} | {}.{:02} | {} | {outage} | {} |",
            outcome.name,
            outcome.sleepers_max,
            outcome.brokers,
            tenth(outcome.idle_permille.into()),
            saving(0),
            saving(1),
            saving(2),
            middle.map_or(0, |energy| energy.of_oracle_permille / 10),
            middle.map_or(0, |energy| energy.kilojoules),
            outcome.wakes_per_node_day_hundredths / 100,
            outcome.wakes_per_node_day_hundredths % 100,
            tenth(i64::try_from(outcome.asleep_permille).unwrap_or(0)),
            outcome.full.map_or_else(|| "–".into(), |waits| seconds(waits.p100)),
        );
    }
    page
}

impl Entry for Outcome {
    fn name(&self) -> &str {
        &self.name
    }

    fn settled(self) -> Self {
        self
    }

    fn page(entries: &[Self]) -> String {
        let mut sorted: Vec<&Self> = entries.iter().collect();
        sorted.sort_by_key(|outcome| (outcome.hardware.clone(), outcome.load.clone(), outcome.brokers));
        format!("{HEAD}{}{COLUMNS}{}", summary(&sorted), table(&sorted))
    }
}
