//! The alarm clock of a host that sleeps.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::PowerError;

/// What wakes this host by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The real-time clock, by its folder below `/sys/class/rtc`. It also wakes most hosts that are off.
    Rtc(PathBuf),
    /// A timer of the kernel (`CLOCK_BOOTTIME_ALARM`), which sets the clock itself. Only from memory (S3); needs the capability
    /// `CAP_WAKE_ALARM`.
    Timer,
}

/// An alarm that is set. Off again when dropped.
#[derive(Debug)]
pub(crate) enum Armed {
    Rtc(PathBuf),
    /// The kernel forgets the timer with its handle.
    Timer(#[allow(dead_code, reason = "it only has to stay open")] OwnedFd),
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Self::Rtc(folder) = self
            && let Err(error) = fs::write(folder.join("wakealarm"), "0\n")
        {
            tracing::warn!(clock = %folder.display(), %error, "the alarm could not be switched off");
        }
    }
}

impl Alarm {
    /// Sets it. Whole seconds, rounded up; one at least.
    pub(crate) fn arm(&self, alarm_in: Duration) -> Result<Armed, PowerError> {
        let seconds = alarm_in.as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        match self {
            Self::Rtc(folder) => arm_rtc(folder, seconds),
            Self::Timer => arm_timer(seconds),
        }
    }
}

/// Set in the clock's own time, which need not be UTC, and read back: not every clock takes every alarm, and some say nothing.
fn arm_rtc(folder: &Path, seconds: u64) -> Result<Armed, PowerError> {
    let wrong = |why: &dyn std::fmt::Display| {
        let next = "does this host have a clock with an alarm there, and does the agent run as root? Else use alarm = \"timer\", \
                    host = \"rtcwake\", or a shorter sleep";
        PowerError::new("set the alarm", folder.display(), why, next)
    };
    let read = |name: &str| -> Result<u64, PowerError> {
        let text = fs::read_to_string(folder.join(name)).map_err(|error| wrong(&error))?;
        text.trim()
            .parse()
            .map_err(|_| wrong(&format!("{name} says {:?}", text.trim())))
    };
    let write = |text: String| fs::write(folder.join("wakealarm"), text);
    let at = read("since_epoch")?.saturating_add(seconds);
    // While an alarm is set, the clock takes no other.
    write("0\n".to_owned())
        .and_then(|()| write(format!("{at}\n")))
        .map_err(|error| wrong(&error))?;
    let armed = Armed::Rtc(folder.to_owned());
    match read("wakealarm")? {
        set if set == at => Ok(armed),
        set => Err(wrong(&format!("it was set to {at} and stands at {set}"))),
    }
}

fn arm_timer(seconds: u64) -> Result<Armed, PowerError> {
    let set = || -> io::Result<OwnedFd> {
        let timer = timerfd_create(TimerfdClockId::BoottimeAlarm, TimerfdFlags::CLOEXEC)?;
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
                tv_nsec: 0,
            },
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(timer)
    };
    set().map(Armed::Timer).map_err(|error| {
        let next = "give the agent the capability CAP_WAKE_ALARM (in its unit: AmbientCapabilities=CAP_WAKE_ALARM); a host \
                    without a real-time clock has no such alarm";
        PowerError::new("set the alarm", "CLOCK_BOOTTIME_ALARM", error, next)
    })
}

/// Time since the host was started, time asleep included.
pub(crate) fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with plain files, as no machine of tests may wake by itself: a fake of `/sys/class/rtc/rtc0`.
    fn fake_clock() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("since_epoch"), "1000000\n").expect("a file");
        fs::write(folder.path().join("wakealarm"), "").expect("a file");
        folder
    }

    fn alarm(folder: &Path) -> String {
        fs::read_to_string(folder.join("wakealarm")).expect("a file")
    }

    #[test]
    fn an_alarm_of_a_fake_clock_is_set_in_its_own_time_and_off_again() {
        let folder = fake_clock();
        let clock = Alarm::Rtc(folder.path().to_owned());
        let armed = clock.arm(Duration::from_millis(90_001)).expect("it is set");
        assert_eq!(alarm(folder.path()), "1000091\n");
        drop(armed);
        assert_eq!(alarm(folder.path()), "0\n");
        drop(clock.arm(Duration::ZERO).expect("one second at least"));
    }

    #[test]
    fn a_fake_clock_that_does_not_take_the_alarm_is_noticed() {
        let folder = fake_clock();
        let wakealarm = folder.path().join("wakealarm");
        fs::remove_file(&wakealarm).expect("it is there");
        // Takes all and keeps nothing.
        std::os::unix::fs::symlink("/dev/null", &wakealarm).expect("a link");
        let clock = Alarm::Rtc(folder.path().to_owned());
        let error = clock
            .arm(Duration::from_secs(9))
            .expect_err("nothing was kept")
            .to_string();
        assert!(error.contains("set the alarm") && error.contains("rtcwake"), "{error}");
        let nowhere = Alarm::Rtc("/nowhere/rtc0".into());
        let error = nowhere.arm(Duration::from_secs(9)).expect_err("no clock").to_string();
        assert!(error.contains("/nowhere/rtc0"), "{error}");
    }

    /// The real timer of the kernel, which only wakes, and wakes nobody here. Machines differ in whether they allow it; either way
    /// the answer is a whole one.
    #[test]
    fn the_kernels_alarm_timer_is_set_or_says_what_it_needs() {
        match Alarm::Timer.arm(Duration::from_secs(1)) {
            Ok(Armed::Timer(ref timer)) => {
                let mut rings = [0; 8];
                let read = rustix::io::read(timer, &mut rings).expect("it rings");
                assert_eq!((read, u64::from_ne_bytes(rings)), (8, 1));
            }
            Ok(Armed::Rtc(_)) => panic!("that is no timer"),
            Err(error) => {
                println!("NOT ALLOWED HERE, only its error was tested: {error}");
                assert!(error.to_string().contains("CAP_WAKE_ALARM"), "{error}");
            }
        }
    }
}
