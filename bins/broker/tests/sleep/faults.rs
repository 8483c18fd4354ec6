//! T3, T4, T5, T11: whatever goes wrong while one sleeps, it wakes, and nothing is lost.

use crate::sleeping::client::is_all_there;
use crate::sleeping::{Barn, Stand};

#[test]
fn whatever_goes_wrong_while_one_sleeps_it_wakes() {
    let mut barn = Barn::enabled("", 0);
    a_broker_dies_while_one_sleeps(&barn);
    the_pehredar_is_killed(&mut barn);
    the_pehredar_stands_still(&barn);
    all_others_are_killed(&mut barn);
    the_sleepers_agent_is_killed(&mut barn);
    the_sleepers_agent_is_asked_to_end(&mut barn);
    all_go_down_at_once(&mut barn);
    barn.say("done");
}

/// T5: one more than may sleep is gone. It is started again; who writes meanwhile has the sleeper woken too, as one copy is too few;
/// and nobody is let sleep before all copies are there.
fn a_broker_dies_while_one_sleeps(barn: &Barn) {
    let sleeper = barn.one_sleeps();
    let victim = (1..=3).find(|id| *id != sleeper).expect("there are three");
    barn.kill_broker(victim);
    let mut writer = barn.producer("readings", &["--max-messages", "20"]);
    let is = |id, doing| barn.stand(id).is_some_and(|stand| stand.doing == doing);
    barn.wait("the killed one is started", || is(victim, "waking"));
    let mut woken = false;
    barn.wait("it is up", || {
        woken |= is(sleeper, "waking");
        let others = barn.sleepers().into_iter().filter(|id| *id != sleeper).count();
        assert_eq!(others, 0, "somebody else was let sleep\n{}", barn.logs());
        is(victim, "active")
    });
    // For the others it was up all the while: its last life's session has hardly ended.
    assert!(
        barn.answers(victim),
        "broker {victim} is said to be up, and cannot be asked yet\n{}",
        barn.logs()
    );
    barn.wait("the sleeper is woken", || {
        woken |= is(sleeper, "waking");
        woken
    });
    barn.wait("all is written", || !writer.process.is_running());
    assert_eq!(writer.sent().len(), 20, "{:?}\n{}", writer.failed(), barn.logs());
    barn.all_are_up();
}

/// The one with the lowest number: whoever calls as few as are needed calls that first, and gets no answer.
fn the_pehredar_is_killed(barn: &mut Barn) {
    barn.wait("node 1 watches", || {
        let pehredar = barn.pehredar();
        if let Some(other) = pehredar.filter(|other| *other != 1) {
            let _ = barn.ask(other, r#"{"ask":"transfer","to":1}"#);
        }
        pehredar == Some(1)
    });
    let sleeper = barn.one_sleeps();
    let pehredar = barn.pehredar().expect("somebody let it sleep");
    assert_ne!(pehredar, sleeper);
    barn.kill9(pehredar);
    barn.wait("another one watches", || barn.pehredar().is_some());
    // One agent is silent, so that its broker is not counted on.
    barn.all_are_up();
    assert!(barn.broker_pid(pehredar).is_some(), "a broker ends with its agent");
    barn.start(pehredar);
    barn.all_are_up();
    assert_eq!(
        barn.logged(pehredar, "WasUp"),
        1,
        "it found its broker\n{}",
        barn.logs()
    );
}

/// T4, from the agents' side: its broker goes on, and nobody hears of it. When it comes back it is nobody's Pehredar any more.
fn the_pehredar_stands_still(barn: &Barn) {
    let sleeper = barn.one_sleeps();
    let pehredar = barn.pehredar().expect("somebody let it sleep");
    barn.freeze(pehredar);
    barn.wait("the sleeper is up, as one is missing", || {
        barn.stand(sleeper).is_some_and(|stand| stand.doing == "active")
    });
    barn.thaw(pehredar);
    barn.wait("there is one Pehredar", || {
        let watches = |stand: &Stand| stand.role == "pehredar";
        barn.stands().iter().filter(|(_, stand)| watches(stand)).count() == 1
    });
    barn.all_are_up();
}

/// `allDown`: nobody is left whom the sleeper could follow. It wakes by itself.
fn all_others_are_killed(barn: &mut Barn) {
    let sleeper = barn.one_sleeps();
    let others: Vec<u16> = (1..=3).filter(|id| *id != sleeper).collect();
    for id in &others {
        barn.kill9(*id);
    }
    barn.all_are_up();
    let stand = barn.stand(sleeper).expect("it answers");
    assert_eq!(stand.role, "temporary", "{stand:?}");
    for id in &others {
        barn.start(*id);
    }
    barn.all_are_up();
}

fn the_sleepers_agent_is_killed(barn: &mut Barn) {
    let sleeper = barn.one_sleeps();
    barn.kill9(sleeper);
    assert!(barn.broker_pid(sleeper).is_none());
    barn.start(sleeper);
    barn.all_are_up();
    assert!(barn.broker_pid(sleeper).is_some());
}

fn the_sleepers_agent_is_asked_to_end(barn: &mut Barn) {
    let sleeper = barn.one_sleeps();
    barn.stop(sleeper);
    assert!(
        barn.broker_pid(sleeper).is_some(),
        "it left its broker asleep\n{}",
        barn.logs()
    );
    barn.start(sleeper);
    barn.all_are_up();
}

/// T11: agents and brokers are killed while one sleeps, and the sleeper, whose copies are old, is the first to be back.
fn all_go_down_at_once(barn: &mut Barn) {
    let sent = barn.produce("readings", 50);
    barn.all_are_up();
    let sleeper = barn.one_sleeps();
    for id in 1..=3 {
        barn.kill9(id);
    }
    for id in (1..=3).filter(|id| *id != sleeper) {
        barn.kill_broker(id);
    }
    barn.start(sleeper);
    barn.wait("it is being started", || barn.broker_pid(sleeper).is_some());
    for id in (1..=3).filter(|id| *id != sleeper) {
        barn.start(id);
    }
    barn.all_are_up();
    is_all_there(&sent, &barn.consume("readings", &sent));
}
