//! Hosts that sleep by a program: a FAKE of `rtcwake`, a script that only writes down how it was called, as no machine of tests
//! may sleep.

use std::fs;
use std::time::Duration;

use pehra_power::{Host, RtcWake, Sleep};

/// As `sh SCRIPT`, so that the line never can be the real program.
fn fake(script: &str) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fake-rtcwake");
    fs::write(&file, format!("cd {}\n{script}", folder.path().display())).expect("a file");
    let command = vec!["/bin/sh".into(), file.display().to_string()];
    (folder, command)
}

#[tokio::test]
async fn a_fake_rtcwake_is_told_how_deep_and_how_long() {
    for (sleep, mode) in [
        (Sleep::Suspend, "mem"),
        (Sleep::Hibernate, "disk"),
        (Sleep::PowerOff, "off"),
    ] {
        let (folder, command) = fake("echo \"$@\" >called; sleep 0.1");
        let host = Host::Command(RtcWake::new(command, sleep, None));
        host.keep_awake("there is nobody to tell").await.expect("nothing to do");
        let awake = host.suspend(Duration::from_millis(90_500)).await.expect("it slept");
        let called = fs::read_to_string(folder.path().join("called")).expect("it was called");
        assert_eq!(called, format!("-m {mode} -s 91\n"));
        assert!(
            !awake.by_alarm && awake.after >= Duration::from_millis(100),
            "{awake:?}"
        );
    }
}

#[tokio::test]
async fn a_fake_rtcwake_that_fails_or_is_not_there_is_told_in_its_words() {
    let (_folder, command) = fake("echo 'mem is not supported' >&2; exit 1");
    let host = Host::Command(RtcWake::new(command, Sleep::Suspend, None));
    let error = host
        .suspend(Duration::from_secs(60))
        .await
        .expect_err("it fails")
        .to_string();
    assert!(
        error.contains("mem is not supported") && error.contains("fake-rtcwake"),
        "{error}"
    );
    let host = Host::Command(RtcWake::new(vec!["/nowhere/rtcwake".into()], Sleep::Suspend, None));
    let error = host
        .suspend(Duration::from_secs(60))
        .await
        .expect_err("it is not there")
        .to_string();
    assert!(error.contains("/nowhere/rtcwake"), "{error}");
}
