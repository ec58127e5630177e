// Figures as text: tabular, with a real minus, and a dash where there is no figure.

const MINUS = "\u2212";
export const NONE = "\u2013";
const forms = new Map();

function form(digits) {
  if (!forms.has(digits)) {
    const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    forms.set(digits, new Intl.NumberFormat("en-US", fixed));
  }
  return forms.get(digits);
}

export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** A number with so many digits after the point. */
export function fixed(value, digits = 0) {
  if (!isNumber(value)) return NONE;
  const text = form(digits).format(value);
  const isZero = !/[1-9]/.test(text);
  return isZero ? text.replace("-", "") : text.replace("-", MINUS);
}

/** A number that always shows its sign, but for nothing at all. */
export function signed(value, digits = 2) {
  const text = fixed(value, digits);
  return isNumber(value) && value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** A quantity of coins: as many digits as it needs, at most eight. */
export function quantity(value) {
  if (!isNumber(value)) return NONE;
  return value.toLocaleString("en-US", { maximumFractionDigits: 8 }).replace("-", MINUS);
}

/** A number with cents where it has any. */
export function rounded(value) {
  return isNumber(value) ? fixed(value, Number.isInteger(value) ? 0 : 2) : NONE;
}

/** Nanoseconds in the unit a person reads. */
export function nanoseconds(value) {
  if (!isNumber(value)) return NONE;
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (value >= size) {
      const scaled = value / size;
      return `${fixed(scaled, scaled < 10 ? 2 : scaled < 100 ? 1 : 0)}\u00a0${unit}`;
    }
  }
  return `${fixed(value)}\u00a0ns`;
}

/** A time span in milliseconds. */
export function span(ms) {
  if (!isNumber(ms)) return NONE;
  if (ms < 1000) return `${fixed(ms, ms < 10 ? 1 : 0)}\u00a0ms`;
  const s = ms / 1000;
  if (s < 60) return `${fixed(s, s < 10 ? 2 : 1)}\u00a0s`;
  const minutes = Math.floor(s / 60);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (minutes < 60) return `${minutes}\u00a0min\u00a0${two(s % 60)}\u00a0s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}\u00a0h\u00a0${two(minutes % 60)}\u00a0min`;
  return `${Math.floor(hours / 24)}\u00a0d\u00a0${hours % 24}\u00a0h`;
}

/** The UTC time of day of a wall clock in milliseconds. */
export function clock(ms, digits = 0) {
  if (!isNumber(ms)) return NONE;
  const text = new Date(ms).toISOString();
  return text.slice(11, digits ? 20 + digits : 19);
}

/** The word that colours a figure: good, bad or nothing. */
export function tone(value, digits = 2) {
  if (!isNumber(value) || !/[1-9]/.test(fixed(value, digits))) return "";
  return value > 0 ? "good" : "bad";
}

/** A name of the trader's own, for people: underscores become blanks. */
export function words(name) {
  return String(name ?? "").replaceAll("_", " ").toLowerCase();
}
