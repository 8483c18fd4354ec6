// A cluster whose brokers sleep: who watches, who sleeps, and the flow chart with each node in its box.

import { clock, ago, el, make, say, span, whole } from "/assets/common.js";

const SVG = "http://www.w3.org/2000/svg";
const ROLES = { pehredar: "watches", temporary: "wakes all" };
const BADGE = { size: 20, most: 7 }; // room for a node's number in a box, and how many fit there

let shown = null; // the newest panel
let arrived = 0; // when it came, on this page's clock
let chart = null; // the flow chart, in the page
const badges = new Map(); // by node

const watts = (value) => `${whole(value)} W`;

// Fetches the flow chart and puts it into the page. Its own style is the page's business here.
export async function begin() {
  if (chart) return;
  const answer = await fetch("/assets/sleep-flow.svg");
  if (!answer.ok) throw new Error(`the flow chart: ${answer.status}`);
  const picture = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  picture.querySelector("style")?.remove();
  chart = document.importNode(picture, true);
  chart.removeAttribute("width");
  chart.removeAttribute("height");
  chart.setAttribute("role", "img");
  el("flow").append(chart);
  chart.append(svg("g", { id: "badges" }));
  el("flow-rows").addEventListener("change", crop);
  crop();
}

// The rows of the table stand below the boxes; not everybody wants them.
function crop() {
  const [, , width] = chart.getAttribute("viewBox").split(" ");
  const height = el("flow-rows").checked ? chart.dataset.height : chart.dataset.boxes;
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
}

function svg(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export function draw(panel) {
  shown = panel;
  arrived = performance.now();
  say(el("cluster-name"), panel.name);
  el("cluster-simulated").hidden = panel.kind !== "simulated";
  el("cluster-waiting").hidden = panel.nodes.length > 0;
  drawFigures(panel);
  drawNotes(panel);
  drawNodes(panel.nodes);
  drawChart(panel);
  drawAges();
  // Numbers move from panel to panel, but the first ones are there at once.
  requestAnimationFrame(() => requestAnimationFrame(() => el("flow").classList.add("drawn")));
}

function drawFigures(panel) {
  const brokers = panel.nodes.filter((node) => node.broker !== null);
  const asleep = brokers.filter((node) => node.doing === "asleep").length;
  say(el("cluster-pehredar"), panel.pehredar === null ? "nobody" : `node ${panel.pehredar}`);
  say(el("cluster-plan"), panel.plan ? `plan ${panel.plan[0]}, term ${panel.plan[1]}` : "no plan yet");
  say(el("cluster-switch"), panel.on ? panel.gear || "–" : "off");
  say(el("cluster-epoch"), `epoch ${panel.epoch}${panel.on ? "" : ", all stay awake"}`);
  say(el("cluster-asleep"), `${asleep} of ${brokers.length}`);
  const wakes = panel.nodes.reduce((sum, node) => sum + node.wakes, 0);
  say(el("cluster-wakes"), wakes === 1 ? "1 wake so far" : `${whole(wakes)} wakes so far`);
  const power = panel.watts;
  el("cluster-power").hidden = !power;
  if (power) {
    say(el("cluster-power-kind"), power.measured ? "Power, measured" : "Power, modelled");
    say(el("cluster-watts"), watts(power.now));
    say(el("cluster-watts-up"), `${watts(power.all_up)} with all up`);
  }
}

function drawNotes(panel) {
  const alerts = panel.nodes.filter((node) => node.alert);
  const notes = alerts.map((node) => [`Node ${node.id}: ${node.trouble ?? "silent, or does not wake up"}.`, "alert"]);
  if (panel.held_back) notes.push([`Nobody is let sleep: ${panel.held_back}.`, ""]);
  if (panel.power_note) notes.push([panel.power_note, ""]);
  const list = el("cluster-notes");
  list.hidden = notes.length === 0;
  while (list.children.length > notes.length) list.lastChild.remove();
  notes.forEach(([text, kind], index) => {
    const item = list.children[index] ?? list.appendChild(make("li"));
    item.className = kind;
    say(item, text);
  });
}

const declined = (node) =>
  Object.entries(node.declined).map(([why, count]) => `${why} ${whole(count)}`).join(", ") || "–";

function drawNodes(nodes) {
  const body = el("cluster-nodes");
  while (body.rows.length > nodes.length) body.deleteRow(-1);
  nodes.forEach((node, index) => {
    let row = body.rows[index];
    if (!row) {
      row = body.insertRow();
      const head = make("th");
      head.scope = "row";
      row.append(head, ...Array.from({ length: 9 }, () => make("td")));
      const dot = make("span", "dot");
      dot.setAttribute("aria-hidden", "true");
      row.cells[2].append(dot, make("span"));
      row.cells[9].className = row.cells[8].className = "words";
    }
    row.dataset.doing = node.alert ? "alert" : node.doing;
    row.dataset.node = node.id;
    const role = ROLES[node.role] ?? (node.on_duty ? "on duty" : "");
    say(row.cells[0], `${node.id}`);
    say(row.cells[1], role || "–");
    const doing = node.stage ? `${node.doing}, ${node.stage}` : node.doing;
    say(row.cells[2].lastChild, node.doing !== "-" ? doing : node.reached ? "–" : "no answer");
    const words = node.reached && node.broker === null ? "it has no broker" : node.awake_because ?? node.trouble ?? "";
    const texts = [whole(node.sleeps), whole(node.wakes), null, whole(node.grants), declined(node), words];
    texts.forEach((text, column) => {
      if (text !== null) say(row.cells[column + 4], text);
    });
  });
}

// Each node's number moves to its box; boxes with somebody in them are lit.
function drawChart(panel) {
  const taken = new Map(); // by box: the nodes in it
  const lit = new Set();
  for (const node of panel.nodes) {
    const boxes = panel.boxes[node.id] ?? [];
    boxes.forEach((box) => lit.add(box));
    // Of several that may be meant, the number stands in the first.
    if (boxes.length) taken.set(boxes[0], [...(taken.get(boxes[0]) ?? []), node]);
  }
  for (const box of chart.querySelectorAll(".state")) box.classList.toggle("lit", lit.has(box.id));
  const here = new Set();
  for (const [box, nodes] of taken) {
    const rect = chart.querySelector(`#${box} rect`);
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
    const room = Math.max(BADGE.most, Math.floor(width / BADGE.size));
    const step = Math.min(BADGE.size, (room * BADGE.size) / nodes.length);
    nodes.forEach((node, index) => {
      here.add(node.id);
      const left = x + width / 2 + (index - (nodes.length - 1) / 2) * step;
      place(node, left, y + height - 14);
    });
  }
  for (const [id, badge] of badges) {
    if (here.has(id)) continue;
    badge.remove();
    badges.delete(id);
  }
  const where = [...taken].map(([box, nodes]) => `${box.slice(6)}: ${nodes.map((node) => node.id).join(", ")}`);
  chart.setAttribute("aria-label", `Flow chart of a broker that sleeps; nodes in its boxes: ${where.join("; ") || "none"}`);
}

function place(node, x, y) {
  let badge = badges.get(node.id);
  if (!badge) {
    badge = svg("g", { class: "badge", "data-node": node.id });
    badge.append(svg("title", {}), svg("circle", { r: 9 }), svg("text", { y: 4, "text-anchor": "middle" }, `${node.id}`));
    chart.querySelector("#badges").append(badge);
    badges.set(node.id, badge);
  }
  badge.classList.toggle("watches", node.role === "pehredar");
  say(badge.firstChild, `node ${node.id}: ${node.doing}`);
  badge.style.transform = `translate(${x}px, ${y}px)`;
}

// Ages run on between panels.
export function drawAges() {
  if (!shown) return;
  const since = performance.now() - arrived;
  say(el("cluster-traffic"), shown.traffic_ms === null ? "none yet" : ago(shown.traffic_ms + since));
  shown.nodes.forEach((node, index) => {
    const row = el("cluster-nodes").rows[index];
    if (!row) return;
    say(row.cells[3], node.reached && node.doing !== "-" ? span(node.doing_ms + since) : "–");
    const asleep = node.asleep_ms + (node.doing === "asleep" ? since : 0);
    say(row.cells[6], node.broker === null ? "–" : span(asleep));
  });
  const now = shown.updated_ms + since;
  say(el("cluster-updated"), shown.updated_ms > 0 ? `As of ${clock.format(shown.updated_ms)}, ${ago(now - shown.updated_ms)}.` : "");
}
