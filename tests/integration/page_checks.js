// What a page must be for everybody, measured in the page itself. Each function returns complaints.
(() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const part = (value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  /** Every colour that may lie under an element: of a pattern, each of its colours. */
  function grounds(element) {
    for (let node = element; node; node = node.parentElement) {
      const style = getComputedStyle(node);
      if (style.backgroundImage.includes("gradient")) {
        return style.backgroundImage.match(/rgba?\([^)]*\)/g).map(numbers);
      }
      const colour = numbers(style.backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return [colour];
      if (colour[3] > 0) throw new Error(`half a colour under ${element.outerHTML.slice(0, 80)}`);
    }
    return [[255, 255, 255]];
  }

  function isShown(element) {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && getComputedStyle(element).visibility === "visible";
  }

  function place(element) {
    const id = element.closest("[id]")?.id;
    return `${element.tagName.toLowerCase()} in #${id}: ${element.textContent.trim().slice(0, 40)}`;
  }

  function contrast() {
    const found = new Map();
    let texts = 0;
    const check = (element, colour) => {
      for (const ground of grounds(element)) {
        const is = ratio(numbers(colour), ground);
        if (is < 4.5) found.set(place(element), `${is.toFixed(2)} ${colour} on ${ground}`);
      }
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !isShown(element)) continue;
      texts += 1;
      const style = getComputedStyle(element);
      if (Number(style.opacity) < 1) found.set(place(element), "is see-through");
      check(element, element instanceof SVGElement ? style.fill : style.color);
    }
    for (const input of document.querySelectorAll("input[placeholder]")) {
      check(input, getComputedStyle(input, "::placeholder").color);
    }
    return { texts, found: [...found].map((parts) => parts.join(": ")) };
  }

  const FOCUSABLE = "a[href], button, input, select, textarea, [tabindex]:not([tabindex='-1'])";

  function focusable() {
    return [...document.querySelectorAll(FOCUSABLE)].filter((node) => !node.disabled
      && getComputedStyle(node).display !== "none" && !node.closest("[hidden], noscript")
      && (isShown(node) || node.classList.contains("skip"))).map((node) => {
      node.dataset.number ??= String(document.querySelectorAll("[data-number]").length + 1);
      return node.dataset.number;
    });
  }

  function focused() {
    const node = document.activeElement;
    if (!node || node === document.body) return null;
    const style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    return {
      number: node.dataset.number ?? "", tag: place(node), isRinged: style.outlineStyle !== "none",
      isSeen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
  }

  /** Boxes that stick out to the right, unless they lie in something that scrolls by itself. */
  function wide() {
    const found = [];
    for (const node of document.querySelectorAll("body *")) {
      if (isShown(node) && !node.parentElement.closest(".scroll, svg")
        && node.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5) {
        found.push(place(node));
      }
    }
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) found.push(`the page: ${scrollWidth} of ${clientWidth}`);
    return found;
  }

  /** Parts that one has to scroll sideways to read. */
  function sideways() {
    return [...document.querySelectorAll(".scroll")]
      .filter((node) => isShown(node) && node.scrollWidth > node.clientWidth + 1).map(place);
  }

  /** Text that is cut off by the box it stands in. */
  function cutOff() {
    const selectors = "#kpis dt, #kpis dd, h1, h2, h3, button:not(.sort), .pill, .badge, .what, .figure, figcaption, label";
    return [...document.querySelectorAll(selectors)]
      .filter((node) => isShown(node) && node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0)
      .map(place);
  }

  globalThis.checks = { contrast, focusable, focused, wide, sideways, cutOff };
})();
