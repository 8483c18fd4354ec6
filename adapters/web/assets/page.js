"use strict";

// Where each state's square stands: column, row.
const PLACES = {
  SH: [3, 1],
  HB: [2, 2], HH: [3, 2], MV: [4, 2],
  NI: [2, 3], ST: [3, 3], BE: [4, 3], BB: [5, 3],
  NW: [1, 4], HE: [2, 4], TH: [3, 4], SN: [4, 4],
  RP: [1, 5], BW: [2, 5], BY: [3, 5],
  SL: [1, 6],
};
const LINKS = { up: "up", suspect: "suspect", down: "down", silent: "never heard" };
const TREND = 240; // points at most; beyond, every other one is dropped and the distance doubled
const QUIET_MS = 35_000; // the server speaks every ten seconds at least
const RETRY_MS = 3_000;

const format = (options) => {
  const made = new Intl.NumberFormat(navigator.language || "en", options);
  return (value) => made.format(value);
};
const whole = format({ maximumFractionDigits: 0 });
const one = format({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
const short = format({ maximumSignificantDigits: 4 });
const euro = format({ style: "currency", currency: "EUR", maximumFractionDigits: 0 });
const cents = format({ style: "currency", currency: "EUR", minimumFractionDigits: 2, maximumFractionDigits: 4 });
const clock = new Intl.DateTimeFormat(navigator.language || "en", { dateStyle: "medium", timeStyle: "medium" });

const el = (id) => document.getElementById(id);
const make = (tag, name, text) => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
};
// Writes only what changed: no flicker, and screen readers stay quiet.
const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

const watts = (mw) => `${whole(mw / 1e3)} W`;
const power = (mw) => (Math.abs(mw) < 1e6 ? watts(mw) : `${short(mw / 1e6)} kW`);
const energy = (kwh) => (Math.abs(kwh) < 1e4 ? `${one(kwh)} kWh` : `${one(kwh / 1e3)} MWh`);
const ago = (ms) => {
  const s = Math.max(0, Math.round(ms / 1e3));
  if (s < 2) return "just now";
  if (s < 120) return `${s} s ago`;
  if (s < 7200) return `${Math.round(s / 60)} min ago`;
  return `${Math.round(s / 3600)} h ago`;
};

let shown = null; // the newest snapshot
let arrived = 0; // when it came, on this page's clock
let heard = performance.now(); // when the server last said anything
let source = null;
const trend = [];
let stride = 1; // snapshots for one point of the trend
let taken = 0;

function line(state, text) {
  el("line").dataset.state = state;
  say(el("line-text"), text);
}

function buildMap() {
  for (const [code, [column, row]] of Object.entries(PLACES)) {
    const tile = make("li");
    tile.id = `tile-${code}`;
    tile.style.gridColumn = column;
    tile.style.gridRow = row;
    tile.append(make("span", "code", code), make("span", "watts", "–"));
    tile.setAttribute("aria-label", `${code}: no household yet`);
    el("map").append(tile);
  }
}

function drawMap(states) {
  const known = states.filter((state) => state.windows > 0);
  const means = known.map((state) => state.mean_mw);
  const low = Math.min(...means);
  const high = Math.max(...means);
  el("scale").hidden = known.length < 2;
  if (known.length) {
    say(el("scale-low"), watts(low));
    say(el("scale-high"), watts(high));
  }
  for (const state of states) {
    const tile = el(`tile-${state.code}`);
    if (!tile) continue;
    const here = state.windows > 0;
    const share = high > low ? (state.mean_mw - low) / (high - low) : 0.5;
    tile.classList.toggle("known", here);
    tile.style.backgroundColor = here ? `color-mix(in oklab, var(--high) ${(share * 100).toFixed(1)}%, var(--low))` : "";
    say(tile.lastChild, here ? whole(state.mean_mw / 1e3) : "–");
    const label = here ? `${watts(state.mean_mw)} per household, ${whole(state.households)} households` : "no household yet";
    tile.setAttribute("aria-label", `${state.name}: ${label}`);
    tile.title = `${state.name}: ${label}`;
  }
}

// Colours fade from snapshot to snapshot, but the first ones are there at once.
function drawnOnce() {
  requestAnimationFrame(() => el("map").classList.add("drawn"));
}

function drawTable(states, unknown) {
  const body = el("rows");
  const rows = unknown.households > 0 ? [...states, unknown] : states;
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((state, index) => {
    let row = body.rows[index];
    if (!row) {
      row = body.insertRow();
      const head = make("th");
      head.scope = "row";
      row.append(head, ...Array.from({ length: 5 }, () => make("td")));
    }
    const here = state.windows > 0;
    row.className = `${here ? "" : "none"}${state.code ? "" : " odd"}`;
    const texts = [
      state.code ? state.name : "Unknown postal code",
      here ? watts(state.mean_mw) : "–",
      here ? `${whole(state.kwh_per_year)} kWh` : "–",
      here ? euro(state.eur_per_year) : "–",
      whole(state.households),
      whole(state.windows),
    ];
    texts.forEach((text, column) => say(row.cells[column], text));
  });
}

function drawEdges(edges) {
  const list = el("edges");
  el("no-edges").hidden = edges.length > 0;
  while (list.children.length > edges.length) list.lastChild.remove();
  edges.forEach((edge, index) => {
    let item = list.children[index];
    if (!item) {
      item = make("li");
      const head = make("div", "head");
      const dot = make("span", "dot");
      dot.setAttribute("aria-hidden", "true");
      head.append(dot, make("span", "name"), make("span", "state"), make("span", "heard"));
      const facts = make("dl");
      for (const name of ["Lag", "Last sequence", "Epoch", "Tuples a second"]) facts.append(make("dt", "", name), make("dd"));
      item.append(head, facts);
      list.append(item);
    }
    item.dataset.state = edge.link;
    const [, name, state] = item.querySelectorAll(".head > span");
    say(name, edge.name);
    say(state, LINKS[edge.link] ?? edge.link);
    const facts = item.querySelectorAll("dd");
    say(facts[0], edge.lag_rows === 1 ? "1 row" : `${whole(edge.lag_rows)} rows`);
    facts[0].classList.toggle("lagging", edge.lag_rows > 0 && edge.link !== "up");
    say(facts[1], whole(edge.last_seq));
    say(facts[2], edge.epoch.slice(0, 8) || "–");
    say(facts[3], one(edge.tuples_per_s));
  });
  drawAges();
}

// Ages run on between snapshots, from the server's clock: the page's own may be wrong.
function drawAges() {
  if (!shown) return;
  const now = shown.updated_ms + (performance.now() - arrived);
  shown.edges.forEach((edge, index) => {
    const item = el("edges").children[index];
    if (item) say(item.querySelector(".heard"), edge.last_heard_ms > 0 ? `heard ${ago(now - edge.last_heard_ms)}` : "");
  });
  say(el("updated"), `Figures of ${clock.format(shown.updated_ms)}, ${ago(now - shown.updated_ms)}.`);
}

function drawTrend(mean) {
  // The last point is always the newest snapshot; it is moved on until its stride is full.
  if (taken++ % stride === 0) trend.push(mean);
  else trend[trend.length - 1] = mean;
  if (trend.length > TREND) {
    trend.splice(0, trend.length, ...trend.filter((_, index) => index % 2 === 0));
    stride *= 2;
    taken = 1;
  }
  if (trend.length < 2) return;
  const [low, high] = [Math.min(...trend), Math.max(...trend)];
  const span = Math.max(high - low, Math.abs(high) * 0.002, 1);
  const middle = (low + high) / 2;
  const points = trend.map((value, index) => {
    const x = (300 * index) / (trend.length - 1);
    return `${x.toFixed(1)},${(24 - ((value - middle) / span) * 40).toFixed(1)}`;
  });
  el("trend-line").setAttribute("d", `M${points.join("L")}`);
  el("trend-area").setAttribute("d", `M0,48L${points.join("L")}L300,48Z`);
  const text = watts(low) === watts(high) ? watts(high) : `${watts(low)} to ${watts(high)}`;
  say(el("trend-range"), text);
  el("trend").setAttribute("aria-label", `Mean power per household since this page was opened: ${text}`);
}

function draw(snapshot) {
  shown = snapshot;
  arrived = performance.now();
  const empty = snapshot.totals.tuples === 0;
  el("waiting").hidden = !empty;
  const rows = [...snapshot.states, snapshot.unknown].filter((state) => state.windows > 0);
  const households = rows.reduce((sum, state) => sum + state.households, 0);
  const sum = rows.reduce((total, state) => total + state.mean_mw * state.households, 0);
  say(el("total-mean"), households ? watts(sum / households) : "–");
  say(el("total-power"), households ? power(sum) : "–");
  say(el("total-households"), whole(snapshot.totals.households));
  say(el("total-tuples"), whole(snapshot.totals.tuples));
  say(el("total-kwh"), empty ? "–" : energy(snapshot.totals.kwh));
  say(el("price"), cents(snapshot.price_eur_per_kwh));
  say(el("since"), snapshot.totals.since_ms > 0 ? ` Energy since ${clock.format(snapshot.totals.since_ms)}.` : "");
  if (households) drawTrend(sum / households);
  drawMap(snapshot.states);
  drawTable(snapshot.states, snapshot.unknown);
  drawEdges(snapshot.edges);
  drawnOnce();
}

function connect() {
  source?.close();
  source = new EventSource("/api/live");
  heard = performance.now();
  const alive = () => {
    heard = performance.now();
    line("up", "live");
  };
  source.onopen = alive;
  source.addEventListener("alive", alive);
  source.onmessage = (event) => {
    alive();
    draw(JSON.parse(event.data));
  };
  source.onerror = () => {
    line("lost", "connection lost, retrying");
    // The browser retries by itself unless the answer was an error; then it is for us to do.
    const mine = source;
    if (mine.readyState === EventSource.CLOSED) {
      setTimeout(() => {
        if (source === mine) connect();
      }, RETRY_MS);
    }
  };
}

// With ?still the page is drawn once, from the figures of the moment: for printing, and for browsers without a person.
function drawStill() {
  fetch("/api/state")
    .then((answer) => answer.json())
    .then((snapshot) => {
      draw(snapshot);
      line("up", "as of now");
    })
    .catch(() => line("lost", "no answer from the cloud"));
}

buildMap();
if (new URLSearchParams(location.search).has("still")) {
  drawStill();
} else {
  connect();
  setInterval(() => {
    drawAges();
    if (performance.now() - heard > QUIET_MS) {
      line("lost", "connection lost, retrying");
      connect();
    }
  }, 1_000);
}
