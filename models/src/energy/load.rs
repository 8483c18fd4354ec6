//! When there is something to do.
//!
//! A load is a list of *episodes*. During one, the whole cluster is at work, and everybody is needed; between two, nobody is.

use crate::simulator::{Random, Time, ms};

/// From when to when there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// The first request.
    pub from: Time,
    /// The last one.
    pub to: Time,
}

/// Episodes in order, and how long it all lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// In words.
    pub name: String,
    /// Apart from each other.
    pub episodes: Vec<Episode>,
    /// To the end.
    pub length: Time,
}

const SECOND: u64 = 1_000_000;
/// An hour.
pub const HOUR: Time = ms(3_600_000);
/// A day.
pub const DAY: Time = ms(24 * 3_600_000);

impl Load {
    /// Idle and busy runs by turns, each of a drawn length (exponential, so that there are short ones among them): idle for so many
    /// thousandths of the time in the long run, with runs of this mean length.
    #[must_use]
    pub fn on_off(seed: u64, length: Time, idle_permille: u64, idle_mean: Time) -> Self {
        let mut chance = Random::new(seed, 200);
        let busy_mean = Time(idle_mean.0 * (1000 - idle_permille) / idle_permille.max(1));
        let mut episodes = Vec::new();
        let mut at = exponential(&mut chance, idle_mean);
        while at < length {
            let to = at + exponential(&mut chance, busy_mean).max(Time(SECOND));
            episodes.push(Episode { from: at, to });
            at = to + exponential(&mut chance, idle_mean).max(Time(SECOND));
        }
        Self::of("on and off".into(), episodes, length)
    }

    /// Single requests, each answered within two seconds, at random moments.
    #[must_use]
    pub fn poisson(seed: u64, length: Time, mean: Time) -> Self {
        let mut chance = Random::new(seed, 201);
        let mut episodes = Vec::new();
        let mut at = exponential(&mut chance, mean);
        while at < length {
            episodes.push(Episode {
                from: at,
                to: at + Time(2 * SECOND),
            });
            at = at + exponential(&mut chance, mean);
        }
        Self::of("single requests at random".into(), episodes, length)
    }

    /// Days: from eight to twenty busy with pauses of ten minutes in the mean, at night single jobs some hours apart.
    #[must_use]
    pub fn diurnal(seed: u64, days: u64) -> Self {
        let mut chance = Random::new(seed, 202);
        let mut episodes = Vec::new();
        let mut at = Time(0);
        let length = Time(DAY.0 * days);
        while at < length {
            let hour = at.0 % DAY.0 / HOUR.0;
            let day = (8..20).contains(&hour);
            let (idle, busy) = if day {
                (ms(600_000), ms(1_800_000))
            } else {
                (ms(7_200_000), ms(300_000))
            };
            // A long pause ends when the day begins.
            let next_morning = Time((at.0 + 16 * HOUR.0) / DAY.0 * DAY.0 + 8 * HOUR.0);
            let from = (at + exponential(&mut chance, idle).max(Time(SECOND))).min(next_morning.max(at + Time(SECOND)));
            let to = from + exponential(&mut chance, busy).max(Time(SECOND));
            episodes.push(Episode { from, to });
            at = to;
        }
        Self::of("days and nights".into(), episodes, length)
    }

    /// Recorded traffic: lines of `seconds,partition,requests`, in order of time, each for the minute that begins there. There is something to
    /// do in each minute with at least so many requests in all partitions together.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn recorded(text: &str, mark: u64) -> Result<Self, String> {
        let mut minutes: Vec<(u64, u64)> = Vec::new();
        for (nth, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || format!("line {}: expected seconds,partition,requests, found {line:?}", nth + 1);
            let numbers: Vec<u64> = line
                .split(',')
                .map(|field| field.trim().parse().map_err(|_| bad()))
                .collect::<Result<_, _>>()?;
            let [seconds, _, requests] = numbers[..] else {
                return Err(bad());
            };
            match minutes.last_mut() {
                Some((last, sum)) if *last == seconds / 60 => *sum += requests,
                Some((last, _)) if *last > seconds / 60 => {
                    return Err(format!("{}, which is before the line above", bad()));
                }
                _ => minutes.push((seconds / 60, requests)),
            }
        }
        let mut episodes: Vec<Episode> = Vec::new();
        for (minute, _) in minutes.iter().filter(|(_, requests)| *requests >= mark.max(1)) {
            let (from, to) = (Time(minute * 60 * SECOND), Time((minute + 1) * 60 * SECOND));
            match episodes.last_mut() {
                Some(last) if last.to == from => last.to = to,
                _ => episodes.push(Episode { from, to }),
            }
        }
        let end = minutes.last().map_or(0, |(minute, _)| minute + 1) * 60 * SECOND;
        Ok(Self::of(
            format!("recorded, from {mark} requests a minute"),
            episodes,
            Time(end),
        ))
    }

    fn of(name: String, mut episodes: Vec<Episode>, length: Time) -> Self {
        episodes.retain(|episode| episode.from < length);
        for at in 1..episodes.len() {
            let from = episodes[at].from;
            episodes[at - 1].to = episodes[at - 1].to.min(from);
        }
        if let Some(last) = episodes.last_mut() {
            last.to = last.to.min(length);
        }
        Self { name, episodes, length }
    }

    /// How long there is nothing to do.
    #[must_use]
    pub fn idle(&self) -> Time {
        self.gaps().fold(Time(0), |sum, (from, to)| sum + (to - from))
    }

    /// How many thousandths of the time there is nothing to do.
    #[must_use]
    pub fn idle_permille(&self) -> u16 {
        u16::try_from((self.idle().0 * 1000).checked_div(self.length.0).unwrap_or(0)).unwrap_or(1000)
    }

    /// From when to when there is nothing to do.
    pub fn gaps(&self) -> impl Iterator<Item = (Time, Time)> + '_ {
        let ends = self.episodes.iter().map(|episode| episode.to);
        let begins = self.episodes.iter().map(|episode| episode.from);
        std::iter::once(Time(0))
            .chain(ends)
            .zip(begins.chain(std::iter::once(self.length)))
    }
}

/// An exponential length of this mean: −ln u, from whole numbers only, so that it is the same everywhere.
fn exponential(chance: &mut Random, mean: Time) -> Time {
    // u = x / 2^64, with x odd and so never zero.
    let mut x = chance.number() | 1;
    let zeros = x.leading_zeros();
    x <<= zeros;
    // −log2 u = zeros + 1 − log2(x / 2^63), the latter bit by bit: squaring doubles the logarithm.
    let mut log2: u64 = 0;
    for _ in 0..20 {
        let square = (u128::from(x) * u128::from(x)) >> 63;
        let carries = square >> 64;
        log2 = log2 << 1 | u64::try_from(carries).unwrap_or(0);
        x = u64::try_from(square >> carries).unwrap_or(u64::MAX);
    }
    let minus_log2 = ((u64::from(zeros) + 1) << 20) - log2;
    // ln 2 = 0.693147
    let length = (u128::from(mean.0) * u128::from(minus_log2) * 693_147 / 1_000_000) >> 20;
    Time(u64::try_from(length).unwrap_or(u64::MAX))
}

/// A day of meter readings, as recorded traffic: 400 households send one reading each whenever their power changes, to six partitions.
/// They sleep from about eleven to six, and change most in the morning and in the evening; at night a few fridges and heaters go on.
#[must_use]
pub fn household_day(seed: u64) -> String {
    let mut text = String::from(
        "# A made-up day of household meter readings: seconds,partition,requests, each for the minute that begins there.\n\
         # Made by energy::load::household_day(1): PEHRA_WRITE_RESULTS=1 cargo test -p pehra-models --test energy recorded\n",
    );
    // Readings of all households in an hour of each of 24 hours.
    const HOURLY: [u64; 24] = [
        6, 2, 0, 0, 1, 4, 900, 2600, 1400, 300, 60, 90, 700, 240, 20, 30, 200, 1800, 3600, 4200, 3900, 2400, 500, 40,
    ];
    let mut chance = Random::new(seed, 203);
    for minute in 0..24 * 60_u64 {
        let hourly = HOURLY[usize::try_from(minute / 60).unwrap_or(0)];
        for partition in 0..6 {
            // So many chances of one in sixty, per minute: a binomial draw.
            let tries = hourly / 6 + u64::from(chance.below(6) < hourly % 6);
            let readings = (0..tries).filter(|_| chance.below(60) == 0).count();
            if readings > 0 {
                text += &format!("{},{partition},{readings}\n", minute * 60);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_lengths_have_their_mean_and_spread() {
        let mut chance = Random::new(1, 1);
        let lengths: Vec<u64> = (0..100_000)
            .map(|_| exponential(&mut chance, Time(1_000_000)).0)
            .collect();
        let mean = lengths.iter().sum::<u64>() / 100_000;
        assert!((990_000..1_010_000).contains(&mean), "{mean}");
        // e^-1 and e^-3 of them are longer than one and three means.
        let longer = |than: u64| lengths.iter().filter(|length| **length > than).count();
        assert!((36_000..37_600).contains(&longer(1_000_000)));
        assert!((4_700..5_300).contains(&longer(3_000_000)));
    }

    #[test]
    fn what_is_recorded_becomes_episodes() {
        let load = Load::recorded("# a comment\n0,0,3\n30,1,2\n60,0,5\n240,0,4\n300,2,9\n", 5).unwrap();
        let minute = |at: u64| ms(at * 60_000);
        let episode = |from, to| Episode {
            from: minute(from),
            to: minute(to),
        };
        assert_eq!(load.episodes, [episode(0, 2), episode(5, 6)]);
        assert_eq!((load.length, load.idle()), (minute(6), minute(3)));
        assert!(Load::recorded("0,0\n", 1).unwrap_err().contains("line 1"));
        assert!(Load::recorded("60,0,1\n0,0,1\n", 1).is_err());
    }
}
