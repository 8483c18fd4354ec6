//! The driver's contract with core, one sentence each.

mod toy;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pehra_core::node::GateBound;
use pehra_core::types::{Broken, RequestId};
use pehra_driver::{BootClock, End, Mail};
use toy::{Disk, Do, PEER, Running, SAVING, Said, start, start_with};

const GATE: GateBound = GateBound::DEPLOYED;

async fn a_while(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_go_off_in_order_and_not_before_their_time() {
    let toy = start(Disk::default(), GATE, 16);
    let armed = Instant::now();
    for (timer, ms) in [(1, 90), (2, 60), (3, 30), (4, 45), (5, 30)] {
        toy.tell(Do::Arm(timer, ms)).await;
    }
    toy.tell(Do::Disarm(4)).await;
    // Armed again, it goes off once, at its new time.
    toy.tell(Do::Arm(5, 120)).await;
    a_while(300).await;
    assert_eq!(toy.reports(), [3, 2, 1, 5].map(Said::Fired));
    for ((at, _), ms) in toy.pages.book().reports.iter().zip([30, 60, 90, 120]) {
        let after = at.duration_since(armed);
        assert!(after >= Duration::from_millis(ms), "{after:?} is before {ms} ms");
        assert!(
            after < Duration::from_millis(ms + 150),
            "{after:?} is long after {ms} ms"
        );
    }
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_standstill_the_protocol_is_told_before_any_timer() {
    let toy = start(Disk::default(), GATE, 16);
    toy.pages.book().stand_still = Duration::from_millis(600);
    toy.tell(Do::Arm(1, 1)).await;
    toy.tell(Do::Arm(3, 200)).await;
    toy.tell(Do::Arm(2, 100)).await;
    a_while(900).await;
    assert_eq!(
        toy.reports(),
        [Said::Fired(1), Said::Paused, Said::Fired(2), Said::Fired(3)]
    );
    // An ordinary wait is none, however long.
    toy.tell(Do::Arm(4, 700)).await;
    a_while(1000).await;
    assert_eq!(toy.reports().last(), Some(&Said::Fired(4)));
    assert_eq!(toy.reports().len(), 5);
    assert_eq!(toy.end().await, End::Stopped);
}

/// One thread for all: while the test blocks it, the node stands still, and what comes meanwhile waits.
#[tokio::test]
async fn after_a_standstill_the_protocol_is_told_before_anything_that_came_meanwhile() {
    let toy = start(Disk::default(), GATE, 16);
    toy.tell(Do::Arm(1, 100)).await;
    toy.tell(Do::Count).await;
    // The answer is ready and not yet taken when the letters come; all of it is older than the end of the standstill.
    toy.until("it is asked", |book, _| book.looks >= 2).await;
    toy.pages.book().reports.clear();
    toy.disk.set(|disk| disk.short = true);
    for number in 7..9 {
        let letter = Mail::Command(RequestId(0), Do::Say(number));
        toy.letters.try_send(letter).expect("there is room");
    }
    // Longer than the pause of 300 ms, and than the store's thread takes to see that space is short.
    std::thread::sleep(Duration::from_millis(700));
    toy.until("all is told", |book, _| book.reports.len() >= 5).await;
    let expected = [
        Said::Paused,
        Said::Fired(1),
        Said::Stalled(true),
        Said::Told(7),
        Said::Told(8),
    ];
    assert_eq!(toy.reports(), expected);
    assert_eq!(toy.end().await, End::Stopped);
}

/// Boot time has gone on and the clock by which a process sleeps has not: an hour is over, and no sleep is.
#[tokio::test]
async fn a_machine_that_was_suspended_has_stood_still_and_is_told_so_first() {
    const HOUR_MS: u64 = 3_600_000;
    let ahead_ms = Arc::new(AtomicU64::new(0));
    let toy = start_with(Disk::default(), GATE, 16, BootClock::ahead(Arc::clone(&ahead_ms)));
    for (timer, ms) in [(1, 20_000), (2, 10_000), (3, 10_000_000)] {
        toy.tell(Do::Arm(timer, ms)).await;
    }
    toy.until("it waits", |book, _| book.looks >= 1).await;
    // Nothing comes in: it is noticed all the same, long before the sleep of ten seconds is over.
    ahead_ms.store(HOUR_MS, Ordering::SeqCst);
    let woken = Instant::now();
    toy.until("the timers go off", |book, _| book.reports.len() >= 3).await;
    assert!(woken.elapsed() < Duration::from_millis(1500), "{:?}", woken.elapsed());
    assert_eq!(toy.reports(), [Said::Paused, Said::Fired(2), Said::Fired(1)]);
    // Too short for any timer, and yet a standstill.
    toy.pages.book().reports.clear();
    ahead_ms.fetch_add(5000, Ordering::SeqCst);
    toy.until("it is told", |book, _| !book.reports.is_empty()).await;
    assert_eq!(toy.reports(), [Said::Paused]);
    // Something comes in: the node is told of the standstill before.
    toy.tell(Do::Arm(4, 20_000)).await;
    a_while(50).await;
    toy.pages.book().reports.clear();
    ahead_ms.store(2 * HOUR_MS, Ordering::SeqCst);
    toy.tell(Do::Say(7)).await;
    toy.until("it is heard", |book, _| book.reports.len() >= 3).await;
    assert_eq!(toy.reports(), [Said::Paused, Said::Fired(4), Said::Told(7)]);
    assert_eq!(toy.end().await, End::Stopped);
}

/// A node whose gate holds one commit, with a letter in hand for which there was room until a timer went off before it.
async fn with_a_kept_letter() -> Running {
    let gate = GateBound { commits: 1, held: 64 };
    let toy = start(Disk::default(), gate, 16);
    toy.disk.set(|disk| disk.held = true);
    toy.tell(Do::Arm(SAVING, 20)).await;
    toy.until("it waits for the timer", |book, _| book.looks >= 1).await;
    for number in [2, 3] {
        let letter = Mail::Command(RequestId(0), Do::Save(number));
        toy.letters.try_send(letter).expect("there is room");
    }
    // When the one thread goes on, both the timer and the letter are due.
    std::thread::sleep(Duration::from_millis(40));
    toy.until("the timer has saved", |book, _| book.notices == [SAVING.into()])
        .await;
    a_while(50).await;
    assert_eq!(toy.pages.book().notices, [u32::from(SAVING)], "the gate is full");
    assert_eq!(
        toy.letters.capacity(),
        15,
        "one letter waits, the other one is in the node's hand"
    );
    toy
}

#[tokio::test]
async fn a_letter_before_which_a_timer_filled_the_gate_is_kept_and_taken_in_its_turn() {
    let toy = with_a_kept_letter().await;
    toy.disk.set(|disk| disk.held = false);
    toy.until("all are claimed", |book, _| book.claims.len() == 3).await;
    assert_eq!(toy.pages.book().claims, [u32::from(SAVING), 2, 3]);
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test]
async fn a_kept_letter_outlives_the_failure_of_the_store_as_those_behind_it_do() {
    let toy = with_a_kept_letter().await;
    toy.disk.set(|disk| (disk.held, disk.fail_commits) = (false, 1));
    toy.until("both are claimed", |book, _| book.claims.len() == 2).await;
    assert_eq!(toy.pages.book().claims, [2, 3]);
    assert_eq!(toy.pages.book().started.len(), 2);
    assert_eq!(toy.end().await, End::Stopped);
}

/// A question that is asked after a standstill must not be answered from a lease that ran out in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_standstill_between_two_letters_is_told_before_the_second_and_so_is_what_was_due() {
    let disk = Disk::default();
    disk.set(|disk| disk.opens_take = Duration::from_millis(200));
    let toy = start(disk, GATE, 16);
    toy.pages.book().stand_still = Duration::from_millis(600);
    // All three are there when it starts, so that it takes them in one go.
    for command in [Do::Arm(1, 100), Do::Draw, Do::Draw] {
        toy.tell(command).await;
    }
    toy.until("all is told", |book, _| book.reports.len() >= 4).await;
    let reports = toy.reports();
    assert!(
        matches!(
            reports[..],
            [Said::Drew(_), Said::Paused, Said::Fired(1), Said::Drew(_)]
        ),
        "{reports:?}"
    );
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_rests_on_a_write_leaves_before_it_is_durable() {
    let toy = start(Disk::default(), GATE, 16);
    toy.disk.set(|disk| disk.held = true);
    toy.tell(Do::Save(1)).await;
    toy.until("the notice leaves at once", |book, _| book.notices == [1])
        .await;
    toy.tell(Do::Count).await;
    a_while(100).await;
    {
        let book = toy.pages.book();
        assert!(
            book.claims.is_empty() && book.events.is_empty() && book.reports.is_empty(),
            "{book:?}"
        );
    }
    toy.disk.set(|disk| disk.held = false);
    toy.until("the claim leaves", |book, _| book.claims == [1] && book.events == [1])
        .await;
    // What was asked behind the write sees it.
    toy.until("the answer", |book, _| {
        book.reports.iter().any(|(_, said)| *said == Said::Counted(1))
    })
    .await;
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_slows_down_whoever_writes_and_loses_no_command() {
    let gate = GateBound { commits: 2, held: 64 };
    let toy = start(Disk::default(), gate, 4);
    toy.disk.set(|disk| disk.held = true);
    let letters = toy.letters.clone();
    let writer = tokio::spawn(async move {
        for number in 0..100 {
            let command = Mail::Command(RequestId(0), Do::Save(number));
            letters.send(command).await.expect("the node takes mail");
        }
    });
    a_while(200).await;
    // Two commits open, four letters waiting, one in the writer's hand.
    assert!(!writer.is_finished());
    assert_eq!(toy.pages.book().notices.len(), 2);
    let message = Mail::Message { from: PEER, message: 1 };
    assert!(toy.letters.try_send(message).is_err(), "the mailbox has no bound");
    toy.disk.set(|disk| disk.held = false);
    writer.await.expect("all were taken");
    toy.until("all are claimed", |book, _| book.claims.len() == 100).await;
    assert!(toy.disk.state().numbers.iter().copied().eq(0..100));
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_fused_in_order_and_each_is_reported() {
    let toy = start(Disk::default(), GATE, 256);
    toy.disk.set(|disk| disk.held = true);
    for number in 0..100 {
        toy.tell(Do::Save(number)).await;
    }
    toy.until("all are taken", |book, _| book.notices.len() == 100).await;
    toy.disk.set(|disk| disk.held = false);
    toy.until("all are claimed", |book, _| book.claims.len() == 100).await;
    assert!(toy.pages.book().claims.iter().copied().eq(0..100));
    let commits = toy.disk.state().commits;
    assert!(commits <= 3, "100 waiting commits took {commits} writes");
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_store_is_opened_again_and_the_node_recovers_from_what_it_holds() {
    let toy = start(Disk::default(), GATE, 16);
    toy.tell(Do::Save(1)).await;
    toy.until("the first is durable", |book, _| book.claims == [1]).await;
    toy.disk.set(|disk| {
        disk.fail_commits = 1;
        disk.fail_opens = 3;
    });
    toy.tell(Do::Save(2)).await;
    toy.until("it runs again", |book, _| book.started.len() == 2).await;
    {
        let (book, disk) = (toy.pages.book(), toy.disk.state());
        assert_eq!(book.started[1], [1], "it recovers from what is durable");
        assert_eq!(book.claims, [1], "what failed was claimed");
        assert_eq!(book.store_failures, 4);
        let pauses: Vec<_> = disk.opened.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
        for (pause, ms) in pauses.iter().zip([100, 200, 400]) {
            assert!(*pause >= Duration::from_millis(ms), "{pauses:?}: no back-off");
            assert!(*pause < Duration::from_millis(ms + 150), "{pauses:?}: too slow");
        }
    }
    toy.tell(Do::Save(3)).await;
    toy.until("it works again", |book, _| book.claims == [1, 3]).await;
    assert_eq!(toy.disk.state().numbers, [1, 3]);
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_commits_and_takes_nothing_more() {
    let toy = start(Disk::default(), GATE, 16);
    toy.disk.set(|disk| disk.held = true);
    toy.tell(Do::Save(1)).await;
    toy.until("it is taken", |book, _| book.notices == [1]).await;
    toy.stop.send(true).expect("a node");
    a_while(50).await;
    let _ = toy.letters.try_send(Mail::Command(RequestId(0), Do::Save(2)));
    a_while(150).await;
    assert!(!toy.node.is_finished(), "it ended with a commit open");
    let (disk, pages) = (toy.disk.clone(), toy.pages.clone());
    disk.set(|disk| disk.held = false);
    assert_eq!(toy.end().await, End::Stopped);
    assert_eq!(disk.state().numbers, [1]);
    assert_eq!(pages.book().claims, [1], "what became durable is still said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_wait_for_a_store_that_does_not_open() {
    let disk = Disk::default();
    disk.set(|disk| disk.fail_opens = usize::MAX);
    let toy = start(disk, GATE, 16);
    a_while(300).await;
    let asked = Instant::now();
    assert_eq!(toy.end().await, End::Stopped);
    assert!(asked.elapsed() < Duration::from_millis(200), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn space_that_runs_short_and_comes_back_is_told_once_each() {
    let toy = start(Disk::default(), GATE, 16);
    toy.disk.set(|disk| disk.short = true);
    // Seen without a commit, too.
    toy.until("it is told", |book, _| book.reports.len() == 1).await;
    toy.tell(Do::Save(1)).await;
    toy.until("draining goes on", |book, _| book.claims == [1]).await;
    toy.disk.set(|disk| disk.short = false);
    toy.until("it is told", |book, _| book.reports.len() == 2).await;
    a_while(600).await;
    assert_eq!(toy.reports(), [Said::Stalled(true), Said::Stalled(false)]);
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn draws_are_answered_and_never_alike() {
    let toy = start(Disk::default(), GATE, 16);
    for _ in 0..200 {
        toy.tell(Do::Draw).await;
    }
    toy.until("all are answered", |book, _| book.reports.len() == 200).await;
    let nonces: std::collections::BTreeSet<u64> = (toy.reports().into_iter())
        .filter_map(|said| match said {
            Said::Drew(nonce) => Some(nonce),
            _ => None,
        })
        .collect();
    assert_eq!(nonces.len(), 200);
    assert!(!nonces.contains(&0));
    assert_eq!(toy.end().await, End::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_stays_down() {
    let toy = start(Disk::default(), GATE, 16);
    toy.disk.set(|disk| disk.held = true);
    toy.tell(Do::Save(1)).await;
    toy.tell(Do::Break).await;
    toy.until("the fault is told", |book, _| book.faults == 1).await;
    toy.disk.set(|disk| disk.held = false);
    let (disk, pages) = (toy.disk.clone(), toy.pages.clone());
    assert_eq!(toy.node.await.expect("no panic"), End::Fault(Broken("as told")));
    assert_eq!(disk.state().opened.len(), 1, "it was started again");
    assert!(pages.book().claims.is_empty(), "it spoke after its fault");
    drop(toy.stop);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nobody_can_stop_rests_when_there_is_nothing_to_do() {
    let toy = start(Disk::default(), GATE, 16);
    toy.tell(Do::Save(1)).await;
    toy.until("it runs", |book, _| book.claims == [1]).await;
    drop(toy.stop);
    drop(toy.letters);
    a_while(50).await;
    let before = toy.pages.book().looks;
    a_while(300).await;
    let looks = toy.pages.book().looks - before;
    assert!(looks <= 3, "it looked {looks} times in 300 ms");
    toy.node.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_store_that_does_not_answer_holds_up_no_other_task() {
    let disk = Disk::default();
    disk.set(|disk| disk.opens_take = Duration::from_millis(400));
    let toy = start(disk, GATE, 16);
    let started = Instant::now();
    let ticking = tokio::spawn(async move {
        for _ in 0..10 {
            a_while(5).await;
        }
        started.elapsed()
    });
    let took = ticking.await.expect("no panic");
    assert!(
        took < Duration::from_millis(300),
        "another task stood still for {took:?}"
    );
    toy.until("it runs", |book, _| book.started.len() == 1).await;
    // Nor does one that fails while a commit hangs.
    toy.disk
        .set(|disk| (disk.held, disk.fail_commits, disk.opens_take) = (true, 1, Duration::ZERO));
    toy.tell(Do::Save(1)).await;
    toy.disk.set(|disk| disk.held = false);
    toy.until("it runs again", |book, _| book.started.len() == 2).await;
    assert_eq!(toy.end().await, End::Stopped);
}
