// Households: the map, the table, the edges.

import { ago, cents, clock, el, energy, euro, make, one, power, say, watts, whole } from "/assets/common.js";

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

let shown = null; // the newest snapshot
let arrived = 0; // when it came, on this page's clock
const trend = [];
let stride = 1; // snapshots for one point of the trend
let taken = 0;

export function buildMap() {
  if (el("map").children.length) return;
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
export function drawAges() {
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

export function draw(snapshot) {
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
