// What the parts of the page share: formats, and how they write.

const format = (options) => {
  const made = new Intl.NumberFormat(navigator.language || "en", options);
  return (value) => made.format(value);
};
export const whole = format({ maximumFractionDigits: 0 });
export const one = format({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
export const short = format({ maximumSignificantDigits: 4 });
export const euro = format({ style: "currency", currency: "EUR", maximumFractionDigits: 0 });
export const cents = format({ style: "currency", currency: "EUR", minimumFractionDigits: 2, maximumFractionDigits: 4 });
export const clock = new Intl.DateTimeFormat(navigator.language || "en", { dateStyle: "medium", timeStyle: "medium" });

export const el = (id) => document.getElementById(id);
export const make = (tag, name, text) => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
};
// Writes only what changed: no flicker, and screen readers stay quiet.
export const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

export const watts = (mw) => `${whole(mw / 1e3)} W`;
export const power = (mw) => (Math.abs(mw) < 1e6 ? watts(mw) : `${short(mw / 1e6)} kW`);
export const energy = (kwh) => (Math.abs(kwh) < 1e4 ? `${one(kwh)} kWh` : `${one(kwh / 1e3)} MWh`);
export const ago = (ms) => {
  const s = Math.max(0, Math.round(ms / 1e3));
  if (s < 2) return "just now";
  if (s < 120) return `${s} s ago`;
  if (s < 7200) return `${Math.round(s / 60)} min ago`;
  return `${Math.round(s / 3600)} h ago`;
};
// How long something lasts, or is ago.
export const span = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1e3));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h`;
};
