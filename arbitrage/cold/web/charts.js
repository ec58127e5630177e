// Curves as SVG, drawn at the size they are shown at. A value that is missing is a gap, not a zero.

import { clock, isNumber } from "./format.js";

const SPACE = "http://www.w3.org/2000/svg";

function shape(tag, attributes, text) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Points of a path; `null` interrupts it. */
function path(xs, ys) {
  let text = "";
  let isDown = false;
  for (let i = 0; i < xs.length; i += 1) {
    if (!isNumber(ys[i])) {
      isDown = false;
      continue;
    }
    text += `${isDown ? "L" : "M"}${xs[i].toFixed(1)} ${ys[i].toFixed(1)}`;
    isDown = true;
  }
  return text;
}

/** Round steps that divide a range into about `count` parts. */
function steps(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((part) => part * power).find((part) => part >= raw) ?? raw;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) {
    found.push(Math.abs(at) < step * 1e-6 ? 0 : at);
  }
  return found;
}

function logSteps(low, high) {
  const found = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
    for (const part of high - low < 1.2 ? [1, 2, 5] : [1]) {
      const at = power + Math.log10(part);
      if (at >= low && at <= high) found.push(at);
    }
  }
  return found;
}

const ROUND_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]
  .map((seconds) => seconds * 1000);

function timeSteps(low, high, count) {
  const step = ROUND_MS.find((ms) => (high - low) / ms <= count) ?? 86400000;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(at);
  return { found, hasSeconds: step < 60000 };
}

/** A chart with axes: {at, lines: [{ys, name}], label, isLog, hasZero}. */
export class Chart {
  constructor(svg) {
    this.svg = svg;
    this.data = null;
    this.pointer = null;
    svg.addEventListener("pointermove", (event) => {
      this.pointer = event.offsetX;
      this.draw();
    });
    svg.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  show(data) {
    this.data = data;
    this.draw();
  }

  draw() {
    const { svg, data } = this;
    const width = svg.clientWidth;
    const height = svg.clientHeight;
    if (!width || !height) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const value = data?.isLog ? (y) => (y > 0 ? Math.log10(y) : null) : (y) => y;
    const lines = (data?.lines ?? []).map((line) => ({
      ...line, plain: line.ys, ys: line.ys.map((y) => (isNumber(y) ? value(y) : null)),
    }));
    const all = lines.flatMap((line) => line.ys).filter(isNumber);
    const at = data?.at ?? [];
    if (all.length === 0 || at.length < 2) {
      const text = shape("text", { x: width / 2, y: height / 2, class: "quiet", "text-anchor": "middle" },
        data?.empty ?? "no curve yet");
      svg.replaceChildren(text);
      return;
    }
    const frame = { left: 58, right: width - 10, top: 8, bottom: height - 20 };
    const scale = this.scale(all, at, frame, data);
    const xs = at.map(scale.x);
    svg.replaceChildren(...this.axes(scale, frame, data), ...this.curves(lines, xs, scale, frame, data),
      ...this.readout(lines, xs, scale, frame, data));
  }

  scale(all, at, frame, data) {
    let low = Math.min(...all);
    let high = Math.max(...all);
    if (data.hasZero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
    const isFlat = low === high;
    if (!data.hasZero || low !== 0 || isFlat) low -= room;
    if (!data.hasZero || high !== 0 || isFlat) high += room;
    const [first, last] = [at[0], at[at.length - 1]];
    const wide = last - first || 1;
    return {
      low, high, first, last,
      x: (time) => frame.left + ((time - first) / wide) * (frame.right - frame.left),
      y: (y) => frame.bottom - ((y - low) / (high - low)) * (frame.bottom - frame.top),
    };
  }

  axes(scale, frame, data) {
    const nodes = [];
    const count = frame.bottom - frame.top > 110 ? 4 : 3;
    const marks = data.isLog ? logSteps(scale.low, scale.high) : steps(scale.low, scale.high, count);
    for (const mark of marks) {
      const y = scale.y(mark).toFixed(1);
      const isZero = data.hasZero && mark === 0;
      nodes.push(shape("line", { x1: frame.left, x2: frame.right, y1: y, y2: y, class: isZero ? "zero" : "grid" }));
      nodes.push(shape("text", { x: frame.left - 6, y, class: "tick", "text-anchor": "end", dy: "0.32em" },
        data.label(data.isLog ? 10 ** mark : mark)));
    }
    const times = timeSteps(scale.first, scale.last, Math.max(2, Math.floor((frame.right - frame.left) / 90)));
    for (const time of times.found) {
      const x = scale.x(time);
      if (x < frame.left + 18 || x > frame.right - 18) continue;
      nodes.push(shape("line", { x1: x, x2: x, y1: frame.bottom, y2: frame.bottom + 4, class: "grid" }));
      nodes.push(shape("text", { x, y: frame.bottom + 15, class: "tick", "text-anchor": "middle" },
        clock(time).slice(0, times.hasSeconds ? 8 : 5)));
    }
    return nodes;
  }

  curves(lines, xs, scale, frame, data) {
    const nodes = [];
    for (const line of lines) {
      const ys = line.ys.map((y) => (isNumber(y) ? scale.y(y) : null));
      if (data.hasZero && ys.every(isNumber)) {
        const zero = scale.y(0).toFixed(1);
        const d = `${path(xs, ys)}L${xs[xs.length - 1].toFixed(1)} ${zero}L${xs[0].toFixed(1)} ${zero}Z`;
        nodes.push(shape("path", { d, class: `area ${line.name}` }));
      }
      nodes.push(shape("path", { d: path(xs, ys), class: `line ${line.name}` }));
    }
    return nodes;
  }

  readout(lines, xs, scale, frame, data) {
    if (this.pointer === null) return [];
    let nearest = 0;
    xs.forEach((x, i) => {
      if (Math.abs(x - this.pointer) < Math.abs(xs[nearest] - this.pointer)) nearest = i;
    });
    const x = xs[nearest];
    const parts = lines.map((line) => `${line.title ? `${line.title} ` : ""}${data.label(line.plain[nearest])}`);
    const text = `${clock(data.at[nearest])}  ${parts.join("  ")}`;
    const isRight = x > (frame.left + frame.right) / 2;
    const nodes = [shape("line", { x1: x, x2: x, y1: frame.top, y2: frame.bottom, class: "cursor" })];
    for (const line of lines) {
      if (isNumber(line.ys[nearest])) {
        nodes.push(shape("circle", { cx: x, cy: scale.y(line.ys[nearest]), r: 3, class: `spot ${line.name}` }));
      }
    }
    nodes.push(shape("text", {
      x: isRight ? x - 6 : x + 6, y: frame.top + 8, class: "said", "text-anchor": isRight ? "end" : "start",
    }, text));
    return nodes;
  }
}

/** A curve without axes, as high as a line of text. */
export function sparkline(svg, lines) {
  const [width, height] = [110, 20];
  const all = lines.flat().filter((y) => isNumber(y) && y > 0).map(Math.log10);
  if (all.length < 2) {
    svg.replaceChildren();
    return;
  }
  const low = Math.min(...all);
  const wide = Math.max(...all) - low || 1;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...lines.map((ys, index) => {
    const xs = ys.map((_, i) => (i / Math.max(1, ys.length - 1)) * width);
    const at = ys.map((y) => (isNumber(y) && y > 0
      ? height - 2 - ((Math.log10(y) - low) / wide) * (height - 4) : null));
    return shape("path", { d: path(xs, at), class: `line ${index ? "p99" : "p50"}` });
  }));
}
