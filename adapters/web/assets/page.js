// The page: finds out what there is to show, and keeps it new.

import { el, say } from "/assets/common.js";
import * as households from "/assets/households.js";
import * as cluster from "/assets/cluster.js";

const QUIET_MS = 35_000; // the server speaks every ten seconds at least
const RETRY_MS = 3_000;
const LOST = "connection lost, retrying";
const PARTS = [
  { name: "households", still: "/api/state", live: "/api/live", begin: households.buildMap, part: households },
  { name: "cluster", still: "/api/cluster", live: "/api/cluster/live", begin: cluster.begin, part: cluster },
];

function line(state, text) {
  el("line").dataset.state = state;
  say(el("line-text"), text);
}

// One part's stream. The line above the page is up when the streams of all parts are.
class Stream {
  constructor(part) {
    this.part = part;
    this.isUp = false;
    this.connect();
  }

  connect() {
    this.source?.close();
    this.source = new EventSource(this.part.live);
    this.heard = performance.now();
    const mine = this.source;
    const alive = () => {
      this.heard = performance.now();
      this.isUp = true;
      if (streams.every((stream) => stream.isUp)) line("up", "live");
    };
    mine.onopen = alive;
    mine.addEventListener("alive", alive);
    mine.onmessage = (event) => {
      alive();
      this.part.part.draw(JSON.parse(event.data));
    };
    mine.onerror = () => {
      this.lose();
      // The browser retries by itself unless the answer was an error; then it is for us to do.
      if (mine.readyState === EventSource.CLOSED) {
        setTimeout(() => {
          if (this.source === mine) this.connect();
        }, RETRY_MS);
      }
    };
  }

  lose() {
    this.isUp = false;
    line("lost", LOST);
  }

  tick() {
    this.part.part.drawAges();
    if (performance.now() - this.heard > QUIET_MS) {
      this.lose();
      this.connect();
    }
  }
}

const streams = [];

async function newest(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// With ?still the page is drawn once, from the figures of the moment: for printing, and for browsers without a person.
async function begin() {
  const has = await newest("/api/shown");
  const parts = PARTS.filter((part) => has[part.name]);
  const still = new URLSearchParams(location.search).has("still");
  // What may fail comes first, so that it can be tried again.
  for (const part of parts) await part.begin();
  const values = still ? await Promise.all(parts.map((part) => newest(part.still))) : [];
  parts.forEach((part, index) => {
    el(part.name).hidden = false;
    if (still) part.part.draw(values[index]);
    else streams.push(new Stream(part));
  });
  if (!has.households) {
    document.title = "Pehra – a cluster that sleeps, live";
    say(el("about"), "A Kafka cluster whose brokers sleep, live: who watches, who sleeps, and why not.");
  }
  if (still) line("up", "as of now");
  else setInterval(() => streams.forEach((stream) => stream.tick()), 1_000);
}

function tryToBegin() {
  begin().catch(() => {
    line("lost", LOST);
    setTimeout(tryToBegin, RETRY_MS);
  });
}

tryToBegin();
