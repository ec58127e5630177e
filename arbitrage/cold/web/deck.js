// The stream and what it is worth: figures are shown as fresh only while they are.

import * as as from "./format.js";
import { Panels } from "./panels.js";
import { put } from "./tables.js";

const SILENT_MS = 2500; // without a look for so long the stream is cut
const REOPEN_MS = 4000; // and asked for anew: a laptop that slept has a dead line and does not know
const REOPEN_MAX_MS = 32000; // each time later, because a slow line needs its time to answer at all
const LATE_MS = 3000; // looks that come so much later than the quickest one
const BLANK_MS = 30000; // figures so old are worth nothing
const BEAT_LATE_S = 2;
const BOARD_LATE_S = 3;
const EMPTY = {
  name: "", wall_ns: 0, alive: false, why_not: "", mode: "", strategy: "", run: 0, pid: 0, uptime_s: null,
  heartbeat_age_s: null, venues: [], opportunities: [], pairs: [], money: [], pnl: [], day_result_usd: null, latency: [], queues: [],
  incidents: [], limits: [], refusals: {}, rates: [], killed: null, opening: "", paused: {}, board_age_s: null, beside: [],
};
const byId = (id) => document.getElementById(id);
const panels = new Panels();
const wanted = new URLSearchParams(location.search).get("name");
const state = {
  deck: null, gotMs: 0, quickestMs: Infinity, lateMs: 0, held: null, feed: "waiting", name: wanted ?? "arbitrage",
  source: null, openedMs: 0, reopenMs: REOPEN_MS, cutMs: 0, blanked: false, isDrawing: false,
};

// ---- the stream ---------------------------------------------------------------------------------

function query() {
  return wanted === null ? "" : `?name=${encodeURIComponent(wanted)}`;
}

function open() {
  state.source?.close();
  state.openedMs = Date.now();
  state.quickestMs = Infinity;
  const source = new EventSource(`/events${query()}`);
  state.source = source;
  source.addEventListener("hello", (event) => greet(JSON.parse(event.data)));
  source.addEventListener("curves", (event) => panels.takeCurves(JSON.parse(event.data)));
  source.addEventListener("deck", (event) => take({ ...EMPTY, ...JSON.parse(event.data) }));
  source.addEventListener("error", () => {
    cut();
    if (source.readyState === EventSource.CLOSED) refused();
  });
}

/** The stream was answered with an error: a session that has ended leads to the form. */
async function refused() {
  try {
    const answer = await fetch(`/api/deck${query()}`, { cache: "no-store" });
    if (answer.status === 401) location.assign("/login");
  } catch {
    // the monitor itself is gone; it is asked again
  }
}

function greet(hello) {
  state.name = hello.name;
  for (const link of document.querySelectorAll(".foot a[data-of-trader]")) link.search = query();
  const nav = byId("traders");
  nav.hidden = hello.names.length < 2;
  nav.replaceChildren(...hello.names.map((name) => {
    const link = document.createElement("a");
    link.href = `/?name=${encodeURIComponent(name)}`;
    link.textContent = name;
    if (name === hello.name) link.setAttribute("aria-current", "page");
    return link;
  }));
}

function take(deck) {
  const now = Date.now();
  state.gotMs = now;
  state.cutMs = 0;
  state.reopenMs = REOPEN_MS;
  const wasAlive = state.deck?.alive;
  const isOther = state.deck && (state.deck.run !== deck.run || state.deck.pid !== deck.pid);
  if (deck.wall_ns) {
    const lag = now - deck.wall_ns / 1e6;
    state.quickestMs = Math.min(state.quickestMs, lag);
    state.lateMs = lag - state.quickestMs;
  }
  state.deck = deck;
  state.blanked = false;
  if (!deck.alive || (wasAlive && isOther)) release();
  if (!deck.alive) panels.forget();
  else panels.takePoints(deck);
  drawSoon();
  if (state.lateMs > LATE_MS) open(); // what is on its way is old; a new stream begins with the newest
}

function cut() {
  if (!state.cutMs) state.cutMs = state.gotMs || Date.now();
  release();
  drawFrame();
}

function watch() {
  const now = Date.now();
  if (!state.gotMs && now - state.openedMs < SILENT_MS) return;
  const silent = now - (state.gotMs || state.openedMs);
  if (silent > SILENT_MS) cut();
  if (silent > SILENT_MS && now - state.openedMs > state.reopenMs) {
    state.reopenMs = Math.min(2 * state.reopenMs, REOPEN_MAX_MS);
    refused();
    open();
  }
  if (state.cutMs && silent > BLANK_MS && !state.blanked) {
    state.blanked = true;
    panels.forget();
    panels.show({ ...EMPTY, name: state.name });
  }
  drawFrame();
}

// ---- what the whole page says -------------------------------------------------------------------

function kindOfFeed(deck) {
  if (state.cutMs) return "cut";
  if (!deck) return "waiting";
  if (!deck.alive) return "gone";
  return state.lateMs > LATE_MS ? "cut" : "live";
}

function banner(deck, feed) {
  if (feed === "cut") {
    const since = state.gotMs ? `Last figures ${as.clock(deck.wall_ns / 1e6)} UTC.` : "No figures came.";
    const why = state.cutMs ? "the monitor does not answer" : `figures come ${as.fixed(state.lateMs / 1000)} s late`;
    return `The stream is cut: ${why}. ${since} Trying again.`;
  }
  if (feed === "gone") return `No trader: ${deck.why_not}. No figures are shown until it runs again.`;
  if (deck?.killed) {
    const { reason, by, since_wall_ns: since, why } = deck.killed;
    const who = by ? ` by ${by}` : "";
    return `Kill switch: ${as.words(reason)}${who} at ${as.clock(since / 1e6)} UTC${why ? `: ${why}` : ""}. `
      + "No order leaves.";
  }
  if (deck?.heartbeat_age_s > BEAT_LATE_S) {
    return `The trader's heartbeat is ${as.fixed(deck.heartbeat_age_s, 1)} s old: it hangs or is starved.`;
  }
  return "";
}

function word(deck, feed) {
  if (feed === "waiting") return ["connecting", "Connecting", ""];
  if (feed === "cut") return ["stream cut", "CUT", "bad"];
  if (feed === "gone") return ["trader gone", "GONE", "bad"];
  if (deck.killed) return ["killed", "KILLED", "bad"];
  if (deck.heartbeat_age_s > BEAT_LATE_S) return ["heartbeat late", "HANGS", "bad"];
  if (deck.opening) return ["no new pairs", "Holding", "warn"];
  return ["trading", "Trading", "good"];
}

function title(deck, feed, short) {
  const parts = [short];
  if (feed === "live") {
    const usd = panels.pnl.at(-1)?.[1];
    if (as.isNumber(usd)) parts.push(`${as.signed(usd)} USD`);
    parts.push(`${deck.pairs.length} ${deck.pairs.length === 1 ? "pair" : "pairs"}`);
  }
  return [...parts, deck?.name || state.name].join(" \u00b7 ");
}

/** Everything around the figures: it changes while they do not, and then most of all. */
function drawFrame() {
  const deck = state.deck;
  const feed = kindOfFeed(deck);
  state.feed = feed;
  document.body.dataset.feed = feed;
  document.body.dataset.held = state.held ? "yes" : "no";
  const [long, short, tone] = word(deck, feed);
  put(byId("state"), long);
  byId("state").className = `pill ${tone}`;
  put(byId("name"), deck?.name || state.name);
  put(byId("mode"), deck?.alive ? deck.mode : "");
  byId("mode").dataset.mode = deck?.mode ?? "";
  put(byId("facts"), deck?.alive
    ? [deck.strategy, `run ${deck.run}`, `pid ${deck.pid}`, `up ${as.span(deck.uptime_s * 1000)}`].filter(Boolean).join(" \u00b7 ")
    : "");
  const said = banner(deck, feed);
  put(byId("banner"), said);
  byId("banner").classList.toggle("shown", said !== "");
  const notice = state.held
    ? `Held at ${as.clock(state.held.wall_ns / 1e6)} UTC: these figures stand still. Release to go on.`
    : feed === "live" && deck.opening ? `No new pairs: ${deck.opening}.` : "";
  put(byId("notice"), notice);
  byId("notice").classList.toggle("shown", notice !== "");
  put(document.querySelector("title"), title(deck, feed, short));
  drawMarks(deck, feed);
}

/** Say at every panel from when its figures are, where they are not of now. */
function drawMarks(deck, feed) {
  const at = (ms) => `as of ${as.clock(ms)}`;
  put(byId("asof"), deck?.wall_ns && !state.blanked ? `${as.clock(deck.wall_ns / 1e6, 1)} UTC` : "no data");
  for (const panel of document.querySelectorAll(".panel")) {
    let text = "";
    if (state.blanked || !deck) text = "";
    else if (feed === "cut") text = at(deck.wall_ns / 1e6);
    else if (state.held) text = `held ${as.clock(state.held.wall_ns / 1e6)}`;
    else if (feed === "live" && panel.dataset.from === "board" && deck.board_age_s > BOARD_LATE_S) {
      text = at(deck.wall_ns / 1e6 - deck.board_age_s * 1000);
    }
    panel.classList.toggle("stale", text !== "" && !state.held);
    put(panel.querySelector(".mark"), text);
  }
}

/** Draw after what has come already: a device that is behind draws the newest alone. */
function drawSoon() {
  if (state.isDrawing) return;
  state.isDrawing = true;
  setTimeout(() => {
    state.isDrawing = false;
    draw();
  }, 0);
}

function draw() {
  if (!state.held && !state.blanked) panels.show(state.deck);
  drawFrame();
}

// ---- what a person does -------------------------------------------------------------------------

function release() {
  if (!state.held) return;
  state.held = null;
  byId("hold").setAttribute("aria-pressed", "false");
}

byId("hold").addEventListener("click", () => {
  if (state.held || state.feed !== "live") release();
  else {
    state.held = state.deck;
    byId("hold").setAttribute("aria-pressed", "true");
  }
  if (state.deck) draw();
});

byId("filter").addEventListener("input", (event) => {
  panels.filter = event.target.value.trim().toLowerCase();
  if (panels.deck) panels.show(panels.deck);
});

byId("open-only").addEventListener("change", () => {
  if (panels.deck) panels.showOpportunities(panels.deck);
});

const THEMES = ["auto", "light", "dark"];

function showTheme() {
  put(byId("theme"), `Theme: ${document.documentElement.dataset.theme ?? "auto"}`);
}

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // without storage it lasts until the page is left
  }
  showTheme();
});

showTheme();
open();
setInterval(watch, 500);
