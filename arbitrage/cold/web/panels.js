// What each part of the page shows of a look. Ages count from the look's own time, never from this
// device's clock, which may be wrong.

import { Chart, sparkline } from "./charts.js";
import * as as from "./format.js";
import { factsTable, keyed, make, put, setClass, SortedTable } from "./tables.js";

const byId = (id) => document.getElementById(id);
const wallMs = (deck) => deck.wall_ns / 1e6;
const sum = (values) => (values.length && values.every(as.isNumber) ? values.reduce((a, b) => a + b, 0) : null);
const route = (row) => `${row.buy_venue}\u2009\u2192\u2009${row.sell_venue}`;
const bps = (title, key, more = {}) => ({
  title, unit: "bps", numeric: true, cell: (row) => as.signed(row[key]), value: (row) => row[key], ...more,
});
const plainBps = (title, key) => bps(title, key, { cell: (row) => as.fixed(row[key], 2) });
const openFor = (row) => row.lasted_ms ?? row.age_ms;
const isOpen = (row) => row.state === "open";
const isOf = (...parts) => (filter) => !filter || parts.join(" ").toLowerCase().includes(filter);

const OPPORTUNITY_COLUMNS = [
  { title: "Symbol", head: true, name: "symbol", cell: (row) => row.symbol, value: (row) => row.symbol },
  { title: "Buy \u2192 sell", name: "route", cell: route, value: route },
  bps("Net", "net_bps", { name: "net", tone: (row) => (isOpen(row) ? as.tone(row.net_bps) : "") }),
  bps("Peak", "peak_net_bps"),
  plainBps("Gross", "gross_bps"),
  plainBps("Fees", "fees_bps"),
  plainBps("Slippage", "slippage_bps"),
  bps("Funding", "funding_bps"),
  { title: "Size", unit: "USD", numeric: true, cell: (row) => as.fixed(row.size_usd), value: (row) => row.size_usd },
  { title: "Open for", numeric: true, cell: (row) => as.span(openFor(row)), value: openFor },
  {
    title: "State", name: "state", cell: (row) => (isOpen(row) ? "open" : as.words(row.reason) || "closed"),
    value: (row) => (isOpen(row) ? "" : row.reason),
  },
];

const PAIR_COLUMNS = [
  { title: "Symbol", head: true, name: "symbol", cell: (row) => row.symbol, value: (row) => row.symbol },
  { title: "Pair", numeric: true, name: "pair", cell: (row) => `#${row.pair}`, value: (row) => row.pair },
  { title: "Phase", name: "phase", cell: (row) => as.words(row.phase), value: (row) => row.phase },
  { title: "Kind", cell: (row) => row.kind, value: (row) => row.kind },
  {
    title: "Long", numeric: true, isWide: true, value: (row) => row.buy_qty,
    cell: (row) => `${as.quantity(row.buy_qty)} ${row.buy_venue}`,
  },
  {
    title: "Short", numeric: true, isWide: true, value: (row) => row.sell_qty,
    cell: (row) => `${as.quantity(row.sell_qty)} ${row.sell_venue}`, tone: (row) => (uneven(row) ? "warn" : ""),
  },
  bps("Entry", "entry_bps"),
  {
    title: "If closed", unit: "USD", numeric: true, cell: (row) => as.signed(row.unrealised_usd),
    value: (row) => row.unrealised_usd, tone: (row) => as.tone(row.unrealised_usd),
  },
  { title: "Open for", numeric: true, cell: (row) => as.span(row.held_ms), value: (row) => row.held_ms },
];

const SYMBOL_COLUMNS = [
  { title: "Symbol", head: true, cell: (row) => row.symbol, value: (row) => row.symbol },
  { title: "Venue", cell: (row) => row.venue, value: (row) => row.venue },
  {
    title: "State", cell: (row) => row.state, value: (row) => row.state,
    tone: (row) => (row.state === "LIVE" ? "" : "warn"),
  },
  { title: "Quote", unit: "ago", numeric: true, cell: (row) => as.span(row.age_ms), value: (row) => row.age_ms },
  { title: "Gaps", numeric: true, cell: (row) => as.fixed(row.gaps), value: (row) => row.gaps },
  { title: "Cuts", numeric: true, cell: (row) => as.fixed(row.cuts), value: (row) => row.cuts },
];

/** What needs a look first: not live, then what lost most. */
function byTrouble(one, other) {
  return (one.state === "LIVE") - (other.state === "LIVE") || other.gaps - one.gaps || other.cuts - one.cuts
    || one.symbol.localeCompare(other.symbol) || one.venue.localeCompare(other.venue);
}

/** A limit's name without what its value and unit say anyway. */
function limitName(row) {
  return as.words(row.name).replace(/^max /, "").replace(/ (usd|bps|ms)\b/, "");
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function uneven(row) {
  return Math.abs(row.buy_qty - row.sell_qty) > 1e-9 * Math.max(row.buy_qty, row.sell_qty);
}

const STAGES = {
  parsed: "frame \u2192 quote", detected: "frame \u2192 opportunity", seen: "frame \u2192 strategy",
  decided: "frame \u2192 decision", opportunity_to_order: "opportunity \u2192 decision", sent: "frame \u2192 order sent",
  acknowledged: "sent \u2192 acknowledged", naked_leg: "one leg alone",
};

const MONEY = [
  ["Equity", "equity_usd", as.fixed], ["Free", "free_usd", as.fixed], ["Realised", "realised_usd", as.signed],
  ["Fees", "fees_usd", as.signed], ["Funding", "funding_usd", as.signed], ["Unrealised", "unrealised_usd", as.signed],
];

export class Panels {
  constructor() {
    this.filter = "";
    this.stage = "detected";
    this.pnl = [];
    this.history = { at: [], stages: {} };
    this.pnlChart = new Chart(byId("pnl-chart"));
    this.stageChart = new Chart(byId("latency-chart"));
    this.opportunities = new SortedTable(byId("opportunity-table"), OPPORTUNITY_COLUMNS, {
      keyOf: (row) => row.id, rank: (row) => (isOpen(row) ? 0 : 1),
      rowClass: (row) => (isOpen(row) ? "open" : "over"), empty: "Nothing pays at the moment.",
    });
    this.pairs = new SortedTable(byId("pair-table"), PAIR_COLUMNS, {
      keyOf: (row) => `${row.pair} ${row.symbol}`, rowClass: (row) => (uneven(row) ? "uneven" : ""),
      empty: "Flat: no pair is open.",
    });
    this.symbols = new SortedTable(byId("symbol-table"), SYMBOL_COLUMNS, {
      keyOf: (row) => `${row.symbol} ${row.venue}`, empty: "No symbol yet.",
    });
  }

  /** Forget the curves: what they belong to is gone. */
  forget() {
    this.pnl = [];
    this.history = { at: [], stages: {} };
  }

  takeCurves(curves) {
    this.pnl = curves.pnl.map(([ns, usd]) => [ns / 1e6, usd]);
    this.history = { at: curves.latency.at_ms, stages: curves.latency.stages };
  }

  /** Append what came since the whole curves. */
  takePoints(deck) {
    const [point] = deck.pnl;
    const last = this.pnl.at(-1);
    if (point && (!last || point[0] / 1e6 > last[0])) this.pnl.push([point[0] / 1e6, point[1]]);
    const { at, stages } = this.history;
    if (at.length && wallMs(deck) - at.at(-1) < 950) return;
    at.push(wallMs(deck));
    for (const line of deck.latency) {
      const kept = stages[line.stage] ?? (stages[line.stage] = { p50_ns: [], p99_ns: [] });
      for (const name of ["p50_ns", "p99_ns"]) {
        while (kept[name].length < at.length - 1) kept[name].push(null);
        kept[name].push(line[name]);
      }
    }
  }

  show(deck) {
    this.deck = deck;
    this.showKpis(deck);
    this.showOpportunities(deck);
    this.showPairs(deck);
    this.showPnl(deck);
    this.showMoney(deck);
    this.showVenues(deck);
    this.showSymbols(deck);
    this.showBeside(deck);
    this.showLatency(deck);
    this.showBars(deck);
    this.showIncidents(deck);
  }

  showKpis(deck) {
    const open = deck.opportunities.filter(isOpen);
    const best = open.length ? Math.max(...open.map((row) => row.net_bps)) : null;
    const found = deck.latency.find((line) => line.stage === "detected");
    const result = this.pnl.at(-1)?.[1] ?? null;
    const rate = sum(deck.venues.map((line) => line.frames_per_s));
    const equity = sum(deck.money.map((line) => line.equity_usd));
    const count = (rows) => (deck.alive ? String(rows.length) : as.NONE);
    const items = [
      ["Result of the run", "USD", as.signed(result), as.tone(result)],
      ["Ended today", "UTC, USD", as.signed(deck.day_result_usd), as.tone(deck.day_result_usd)],
      ["Equity", "USD", as.fixed(equity), ""],
      ["Open pairs", "", count(deck.pairs), ""],
      ["Opportunities", "open", count(open), ""],
      ["Best net", "bps", as.signed(best), as.tone(best)],
      ["Latency", "p50, p99", found
        ? `${as.nanoseconds(found.p50_ns)}, ${as.nanoseconds(found.p99_ns)}` : as.NONE, ""],
      ["Frames", "per s", as.fixed(rate), ""],
    ];
    const create = () => {
      const node = make("div");
      node.append(make("dt"), make("dd"));
      node.firstChild.append(make("span"), " ", make("small"));
      return node;
    };
    keyed(byId("kpis"), items, ([title]) => title, create, (node, [title, unit, text, tone]) => {
      put(node.firstChild.firstChild, title);
      put(node.firstChild.lastChild, unit);
      put(node.lastChild, text);
      setClass(node.lastChild, tone);
    });
  }

  showOpportunities(deck) {
    const openOnly = byId("open-only").checked;
    const rows = deck.opportunities.filter((row) => isOf(row.symbol, row.buy_venue, row.sell_venue)(this.filter)
      && (!openOnly || isOpen(row)));
    const why = deck.opportunities.length ? "None fits the filter." : undefined;
    this.opportunities.show(rows, deck.alive ? why : "No figures.");
    const paused = Object.entries(deck.paused).map(([symbol, reasons]) => `${symbol} (${reasons.map(as.words).join(", ")})`);
    byId("paused").hidden = paused.length === 0;
    put(byId("paused"), `Paused: ${paused.join(", ")}`);
  }

  showPairs(deck) {
    const rows = deck.pairs
      .map((row) => ({ ...row, held_ms: row.opened_wall_ns ? (deck.wall_ns - row.opened_wall_ns) / 1e6 : null }))
      .filter((row) => isOf(row.symbol, row.buy_venue, row.sell_venue)(this.filter));
    const why = deck.pairs.length ? "None fits the filter." : undefined;
    this.pairs.show(rows, deck.alive ? why : "No figures.");
  }

  showPnl(deck) {
    const at = this.pnl.map(([ms]) => ms);
    const ys = this.pnl.map(([, usd]) => usd);
    const last = ys.at(-1);
    const high = Math.max(...ys);
    const digits = ys.length && high - Math.min(...ys) < 20 ? 2 : 0;
    this.pnlChart.show({
      at, hasZero: true, label: (value) => as.signed(value, digits),
      lines: [{ ys, name: last >= 0 ? "up" : "down" }], empty: deck.alive ? "no result yet" : "no figures",
    });
    put(byId("pnl-caption"), ys.length
      ? `Since ${as.clock(at[0]).slice(0, 5)} UTC: now ${as.signed(last)} USD, highest ${as.signed(high)}, `
        + `lowest ${as.signed(Math.min(...ys))}`
      : "Result over time, USD");
  }

  showMoney(deck) {
    const names = deck.money.map((line) => line.venue);
    const rows = MONEY.map(([title, key, form]) => {
      const values = deck.money.map((line) => line[key]);
      const all = [...values, sum(values)];
      const digits = all.some((value) => Math.abs(value) >= 1e5) ? 0 : 2;
      const cells = all.map((value) => (
        { text: form(value, digits), tone: form === as.signed ? as.tone(value) : "" }));
      return { title, cells };
    });
    factsTable(byId("money-table"), names.length ? [...names, "together"] : [], names.length ? rows : [], "USD");
  }

  showVenues(deck) {
    const venues = deck.venues;
    const row = (title, unit, text, tone = () => "") => (
      { title, unit, cells: venues.map((line) => ({ text: text(line), tone: tone(line) })) });
    const states = (line) => Object.entries(line.rows_by_state).map(([state, n]) => `${n} ${state}`).join(", ");
    const notLive = (line) => Object.entries(line.rows_by_state).some(([state, n]) => state !== "LIVE" && n > 0);
    const head = (line) => line.lines.map((one) => {
      const won = line.lines.reduce((total, other) => total + other.first, 0);
      return `${one.line}:\u00a0${won ? as.fixed((100 * one.first) / won) : 0}\u00a0%`;
    }).join(", ");
    const rows = [
      row("Books", "", states, (line) => (notLive(line) ? "warn" : "good")),
      row("Last quote", "ago", (line) => as.span(line.age_ms), (line) => (line.age_ms > 1000 ? "warn" : "")),
      row("Frames", "per s", (line) => as.fixed(line.frames_per_s)),
      row("Gaps", "", (line) => as.fixed(line.gaps), (line) => (line.gaps ? "warn" : "")),
      row("Reconnects", "", (line) => as.fixed(line.reconnects)),
      row("Malformed", "", (line) => as.fixed(line.malformed), (line) => (line.malformed ? "bad" : "")),
      row("Clock offset", "ms", (line) => as.signed(line.clock_offset_ms, 1)),
      row("Round trip", "ms", (line) => as.fixed(line.rtt_ms, 1)),
    ];
    if (venues.some((line) => line.lines.length > 1)) rows.push(row("First by line", "", head));
    factsTable(byId("venue-table"), venues.map((line) => line.venue), venues.length ? rows : [], "Venue");
  }

  showSymbols(deck) {
    const all = deck.venues.flatMap((line) => line.rows.map((row) => ({ ...row, venue: line.venue })));
    const rows = all.filter((row) => isOf(row.symbol, row.venue)(this.filter)).sort(byTrouble);
    const why = all.length ? "None fits the filter." : undefined;
    this.symbols.show(rows, deck.alive ? why : "No figures.");
  }

  /** Mirrors into Redis and recorders, where there are any. */
  showBeside(deck) {
    byId("beside").hidden = deck.beside.length === 0;
    const create = () => {
      const node = make("div");
      node.append(make("dt"), make("dd"));
      return node;
    };
    keyed(byId("beside-list"), deck.beside, (row) => `${row.kind} ${row.place}`, create, (node, row) => {
      put(node.firstChild, `${row.kind} \u2192 ${row.place}`);
      put(node.lastChild, row.said);
      setClass(node.lastChild, row.tone);
    });
  }

  showLatency(deck) {
    const history = this.history;
    if (!deck.latency.some((line) => line.stage === this.stage) && deck.latency.length) {
      this.stage = deck.latency[0].stage;
    }
    const create = (line) => {
      const node = make("tr");
      const head = make("th");
      head.scope = "row";
      const button = make("button", "pick");
      button.type = "button";
      button.addEventListener("click", () => {
        this.stage = line.stage;
        this.showLatency(this.deck);
      });
      head.append(button);
      const spark = make("td", "spark");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("aria-hidden", "true");
      svg.setAttribute("preserveAspectRatio", "none");
      spark.append(svg);
      node.append(head, spark, ...Array.from({ length: 5 }, () => make("td", "num")));
      return node;
    };
    keyed(byId("stage-table").tBodies[0], deck.latency, (line) => line.stage, create, (node, line) => {
      const button = node.firstChild.firstChild;
      put(button, STAGES[line.stage] ?? as.words(line.stage));
      button.title = line.label;
      button.setAttribute("aria-pressed", String(line.stage === this.stage));
      const kept = history.stages[line.stage];
      sparkline(node.children[1].firstChild, kept ? [kept.p50_ns, kept.p99_ns] : []);
      const cells = [line.p50_ns, line.p99_ns, line.p999_ns, line.max_ns].map(as.nanoseconds);
      [...cells, as.fixed(line.count)].forEach((text, index) => put(node.children[index + 2], text));
    });
    const line = deck.latency.find((one) => one.stage === this.stage);
    const kept = history.stages[this.stage];
    this.stageChart.show({
      at: history.at, isLog: true, label: as.nanoseconds, empty: deck.alive ? "no curve yet" : "no figures",
      lines: kept ? [{ ys: kept.p99_ns, name: "p99", title: "p99" }, { ys: kept.p50_ns, name: "p50", title: "p50" }] : [],
    });
    put(byId("latency-caption"), line
      ? `${sentence(line.label)}. p50 ${as.nanoseconds(line.p50_ns)}, p99 ${as.nanoseconds(line.p99_ns)} (dashed).`
      : "p50 and p99 over time");
  }

  showBars(deck) {
    const bars = (id, rows, none) => {
      const parent = byId(id);
      parent.dataset.none = rows.length ? "" : none;
      keyed(parent, rows, (row) => row.title, () => {
        const node = make("div", "bar-line");
        node.append(make("span", "what"), make("span", "track"), make("span", "figure"));
        node.children[1].append(make("span", "fill"));
        node.children[1].setAttribute("role", "meter");
        return node;
      }, (node, row) => {
        const percent = as.isNumber(row.percent) ? Math.min(100, Math.max(0, row.percent)) : 0;
        put(node.children[0], row.title);
        const track = node.children[1];
        track.setAttribute("aria-label", row.title);
        track.setAttribute("aria-valuenow", percent.toFixed(1));
        track.setAttribute("aria-valuetext", row.text);
        track.firstChild.style.width = `${percent}%`;
        setClass(track, `track ${percent >= 90 ? "bad" : percent >= 70 ? "warn" : ""}`.trim());
        put(node.children[2], row.text);
      });
    };
    const share = (used, all) => (as.isNumber(used) && all > 0 ? (100 * used) / all : null);
    const none = deck.alive ? "nothing to show" : "no figures";
    bars("queue-bars", deck.queues.map((row) => ({
      title: row.kind, percent: row.utilization_percent,
      text: `${as.fixed(row.depth)} of ${as.fixed(row.capacity)}, ${as.fixed(row.utilization_percent, 1)}\u00a0%; `
        + `${as.fixed(row.dropped)} dropped`,
    })), none);
    const measured = deck.limits.filter((row) => as.isNumber(row.used))
      .sort((one, other) => (share(other.used, other.limit) ?? 0) - (share(one.used, one.limit) ?? 0));
    bars("limit-bars", measured.map((row) => ({
      title: limitName(row), percent: share(row.used, row.limit),
      text: `${as.rounded(row.used)} of ${as.rounded(row.limit)} ${row.unit}`,
    })), none);
    const plain = deck.limits.filter((row) => !as.isNumber(row.used))
      .map((row) => [limitName(row), `${as.rounded(row.limit)} ${row.unit}`]);
    const refused = Object.entries(deck.refusals).sort((a, b) => b[1] - a[1])
      .map(([name, count]) => [as.words(name), as.fixed(count)]);
    this.showFacts("limit-facts", plain, none);
    this.showFacts("refusals", refused, deck.alive ? "none" : none);
    bars("rate-bars", deck.rates.map((row) => ({
      title: `${row.venue} ${row.what}`, percent: share(row.used, row.allowed),
      text: `${as.rounded(row.used)} of ${as.rounded(row.allowed)}`,
    })), none);
  }

  /** Draw a short list of names and values. */
  showFacts(id, facts, none) {
    byId(id).dataset.none = facts.length ? "" : none;
    const create = () => {
      const node = make("div");
      node.append(make("dt"), make("dd"));
      return node;
    };
    keyed(byId(id), facts, ([name]) => name, create, (node, [name, text]) => {
      put(node.firstChild, name);
      put(node.lastChild, text);
    });
  }

  showIncidents(deck) {
    const rows = deck.incidents
      .filter((row) => isOf(row.symbol, row.venue, row.text, row.kind)(this.filter))
      .sort((a, b) => b.is_open - a.is_open || b.last_wall_ns - a.last_wall_ns);
    const why = deck.incidents.length ? "None fits the filter." : "Nothing has gone wrong in this run.";
    byId("incident-list").dataset.none = rows.length ? "" : deck.alive ? why : "No figures.";
    const create = () => {
      const node = make("li");
      node.append(make("time"), make("span", "whom"), make("span", "text"), make("span", "ending"));
      return node;
    };
    keyed(byId("incident-list"), rows, (row) => row.number, create, (node, row) => {
      setClass(node, row.is_open ? "open" : "");
      put(node.children[0], as.clock(row.last_wall_ns / 1e6));
      put(node.children[1], [row.venue, row.symbol].filter(Boolean).join(" ") || as.words(row.kind));
      put(node.children[2], row.count > 1 ? `${row.text} (${as.fixed(row.count)} times)` : row.text);
      put(node.children[3], row.is_open ? "not over" : row.ending);
    });
  }
}
