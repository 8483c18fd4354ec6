//! The page in a real browser: what it shows follows what it is told.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::net::SocketAddr;
use std::sync::Arc;

use pehra_testbed::browser::Browser;
use pehra_web::{ClusterPanel, NodePanel, Shown, Snapshot, Watts, bind, by_state, serve_on};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// A page that is served and looked at.
struct Page {
    browser: Browser,
    addr: SocketAddr,
    _runtime: Runtime,
    _profile: tempfile::TempDir,
}

impl Page {
    fn open(shown: impl Into<Shown>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let addr = listener.local_addr().unwrap();
        runtime.spawn(serve_on(listener, shown.into(), core::future::pending()));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Browser::start(profile.path(), 1280, 1400);
        browser.open(&format!("http://{addr}/"));
        Self {
            browser,
            addr,
            _runtime: runtime,
            _profile: profile,
        }
    }

    /// Waits until exactly these boxes are lit.
    fn wait_lit(&mut self, boxes: &[&str]) {
        let lit = "[...document.querySelectorAll('#flow .lit')].map((box) => box.id).sort().join(' ')";
        let mut boxes = boxes.to_vec();
        boxes.sort_unstable();
        let boxes = boxes.join(" ");
        self.browser.wait_for(&boxes, &format!("{lit} === '{boxes}'"));
    }

    /// Waits until a node's number has come to rest in a box.
    fn wait_in(&mut self, node: u16, id: &str) {
        let inside = format!(
            "(() => {{
                const badge = document.querySelector('.badge[data-node=\"{node}\"]')?.getBoundingClientRect();
                const box = document.querySelector('#{id} rect').getBoundingClientRect();
                return !!badge && badge.left >= box.left && badge.right <= box.right
                    && badge.top >= box.top && badge.bottom <= box.bottom;
            }})()"
        );
        self.browser.wait_for(&format!("node {node} in {id}"), &inside);
    }

    fn text(&mut self, id: &str) -> String {
        let text = self.browser.ask(&format!("document.getElementById('{id}').innerText"));
        text.as_str().unwrap().to_owned()
    }
}

/// Three nodes: what their brokers do, and how far.
fn barn(doings: [(&str, Option<&str>); 3]) -> Arc<ClusterPanel> {
    let nodes = (1..).zip(doings).map(|(id, (doing, stage))| NodePanel {
        id,
        broker: Some(100 + i32::from(id)),
        reached: true,
        role: if id == 3 { "pehredar" } else { "-" }.into(),
        doing: doing.into(),
        stage: stage.map(str::to_owned),
        ..NodePanel::default()
    });
    Arc::new(ClusterPanel {
        name: "barn".into(),
        on: true,
        gear: "lean".into(),
        pehredar: Some(3),
        nodes: nodes.collect(),
        watts: Some(Watts {
            now: 206.0,
            all_up: 300.0,
            measured: false,
        }),
        ..ClusterPanel::default()
    })
}

const UP: (&str, Option<&str>) = ("active", None);

#[test]
fn boxes_light_up_where_the_nodes_are_and_numbers_follow() {
    let (tell, panels) = watch::channel(barn([UP, UP, UP]));
    let mut page = Page::open(panels);
    page.wait_lit(&["state-active"]);
    page.wait_in(1, "state-active");
    page.wait_in(3, "state-active");
    assert_eq!(
        page.browser.ask("document.getElementById('households').hidden"),
        json!(true)
    );
    assert_eq!(page.text("cluster-pehredar"), "node 3");
    assert_eq!(page.text("cluster-power-kind"), "Power, modelled");
    let watching = page
        .browser
        .ask("document.querySelector('.badge.watches').dataset.node");
    assert_eq!(watching, json!("3"));

    tell.send_replace(barn([("draining", Some("stopping")), UP, UP]));
    page.wait_lit(&["state-active", "state-draining-stopping"]);
    page.wait_in(1, "state-draining-stopping");
    let before = page.browser.picture();

    tell.send_replace(barn([("asleep", None), ("waking", None), UP]));
    page.wait_lit(&["state-sleeping", "state-waking", "state-active"]);
    page.wait_in(1, "state-sleeping");
    page.wait_in(2, "state-waking");
    assert_eq!(page.text("cluster-asleep"), "1 of 3");
    assert_ne!(page.browser.picture(), before, "what is seen has changed");

    // Who does not say how far it is may be in any of three.
    tell.send_replace(barn([("-", None), ("draining", None), UP]));
    page.wait_lit(&[
        "state-active",
        "state-draining-looking",
        "state-draining-settling",
        "state-draining-stopping",
    ]);
    page.browser
        .wait_for("node 1 has left", "!document.querySelector('.badge[data-node=\"1\"]')");
}

#[test]
fn each_part_is_there_only_if_it_is_given() {
    let (_tell, snapshots) = watch::channel(Arc::new(some_households()));
    let mut page = Page::open(snapshots.clone());
    page.browser
        .wait_for("a tile", "document.querySelectorAll('#map .known').length === 1");
    assert_eq!(
        page.browser.ask("document.getElementById('cluster').hidden"),
        json!(true)
    );

    let (_tell, panels) = watch::channel(barn([UP, UP, ("asleep", None)]));
    let mut page = Page::open(Shown {
        households: Some(snapshots),
        cluster: Some(panels),
    });
    page.wait_lit(&["state-active", "state-sleeping"]);
    page.browser
        .wait_for("a tile", "document.querySelectorAll('#map .known').length === 1");
    page.browser.wait_for(
        "both are live",
        "document.getElementById('line').dataset.state === 'up'",
    );

    // Drawn once, for browsers without a person.
    let still = format!("http://{}/?still", page.addr);
    page.browser.open(&still);
    page.wait_lit(&["state-active", "state-sleeping"]);
    assert_eq!(page.text("line-text"), "as of now");
    // The rows of the table are there for those who want them.
    let height = "document.querySelector('#flow svg').getBoundingClientRect().height";
    let cut = page.browser.ask(height).as_f64().unwrap();
    page.browser.ask("document.getElementById('flow-rows').click()");
    let whole = page.browser.ask(height).as_f64().unwrap();
    assert!(whole > cut * 1.2, "{cut} and {whole}");
}

fn some_households() -> Snapshot {
    let one = pehra_web::HouseholdFigures {
        state: pehra_web::state_of("99084"),
        mean_mw: 300_000.0,
        covered_ms: 5_000,
        windows: 1,
    };
    let (states, unknown) = by_state([one], 0.3);
    Snapshot {
        states,
        unknown,
        totals: pehra_web::Totals {
            tuples: 1,
            households: 1,
            ..pehra_web::Totals::default()
        },
        ..Snapshot::default()
    }
}
