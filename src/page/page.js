"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);
  const page = JSON.parse(byId("data").textContent);
  const { nodes, arrows } = page;
  const looks = new Map(page.looks.map((look) => [look.key, look]));
  const numbers = new Map(nodes.map((node, number) => [node.id, number]));
  const needs = nodes.map(() => []);
  const users = nodes.map(() => []);
  arrows.forEach((arrow, index) => {
    needs[arrow.from].push([arrow.to, index]);
    users[arrow.to].push([arrow.from, index]);
  });
  const picture = byId("picture");
  const view = byId("view");
  const panel = byId("panel");
  const search = byId("search");
  let selected = null;
  let matches = null;
  const shownLooks = new Set();

  // Text gets into the document as text only.
  const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const drawn = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
  function fill(it, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) it.setAttribute(name, value);
    it.append(...children);
    return it;
  }
  const mark = (look) => element("span", { class: `mark ${look.tone}`, "aria-hidden": "true" }, look.mark);
  const chip = (tone, text) => element("span", { class: `chip ${tone}` }, text);
  const fragment = (number) => `#${encodeURIComponent(nodes[number].id).replaceAll("%2F", "/").replaceAll("%3A", ":")}`;
  const link = (number) => element("a", { href: fragment(number) }, element("code", {}, nodes[number].id));
  const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

  // The picture.
  const edges = page.curves.map((curve, index) =>
    drawn("path", { class: `edge ${arrows[index].line}`, d: curve }));
  const boxes = nodes.map((node, number) => {
    const [x, y, width] = page.spots[number];
    const height = page.box_height;
    const look = looks.get(node.look);
    const label = `${node.id}, ${look.label}, needs ${needs[number].length}, needed by ${users[number].length}`;
    return drawn("g",
      { class: `node ${look.tone}`, transform: `translate(${x} ${y})`, role: "button", tabindex: "-1",
        "aria-label": label, "aria-pressed": "false", "data-number": number },
      drawn("rect", { width, height, rx: 5 }),
      drawn("rect", { class: "flag", x: 1, y: 1, width: 23, height: height - 2, rx: 4 }),
      drawn("rect", { class: "frame", width, height, rx: 5 }),
      drawn("text", { class: "glyph", x: 13, y: height / 2 + 4.5, "aria-hidden": "true" }, look.mark),
      drawn("text", { class: "name", x: 31, y: height / 2 + 4 }, page.labels[number]),
      drawn("title", {}, node.id));
  });
  const captions = page.levels.map(([x], level) =>
    drawn("text", { class: "level", x, y: -14 }, level === 0 ? "needs nothing here" : `level ${level}`));
  if (page.apart !== null) {
    captions.push(drawn("text", { class: "level", x: 0, y: page.apart - 14 }, "needs nothing here, needed by nothing"));
  }
  view.append(...edges, ...captions, ...boxes);
  if (boxes.length > 0) boxes[0].setAttribute("tabindex", "0");

  // Zoom and pan.
  const MARGIN = 32;
  let scale = 1;
  let left = 0;
  let top = 0;
  const place = () => view.setAttribute("transform", `translate(${left} ${top}) scale(${scale})`);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  function fit() {
    const { width, height } = picture.getBoundingClientRect();
    const wide = (width - 2 * MARGIN) / Math.max(page.width, 1);
    const high = (height - 3 * MARGIN) / Math.max(page.height, 1);
    scale = clamp(Math.min(wide, high), 0.05, 1.25);
    left = (width - page.width * scale) / 2;
    top = Math.max((height - page.height * scale) / 2, MARGIN);
    place();
  }
  function zoom(factor, x, y) {
    const wanted = clamp(scale * factor, 0.05, 4);
    left = x - ((x - left) * wanted) / scale;
    top = y - ((y - top) * wanted) / scale;
    scale = wanted;
    place();
  }
  function zoomAtMiddle(factor) {
    const { width, height } = picture.getBoundingClientRect();
    zoom(factor, width / 2, height / 2);
  }
  /** Brings a box into view, large enough to be read; leaves everything where it is if it is. */
  function reveal(number) {
    const { width, height } = picture.getBoundingClientRect();
    const [x, y, wide] = page.spots[number];
    const [atX, atY] = [left + x * scale, top + y * scale];
    const visible = atX >= 0 && atY >= 0 && atX + wide * scale <= width && atY + page.box_height * scale <= height;
    if (visible && scale >= 0.6) return;
    scale = Math.max(scale, 0.9);
    left = width / 2 - (x + wide / 2) * scale;
    top = height / 2 - (y + page.box_height / 2) * scale;
    place();
  }
  /** Moves the picture no more than it takes to have a box left of the panel, which has just opened. */
  function makeRoom(number) {
    const { width } = picture.getBoundingClientRect();
    const [x, , wide] = page.spots[number];
    left -= Math.max(left + (x + wide) * scale - (width - MARGIN), 0);
    place();
  }
  const pointers = new Map();
  let moved = false;
  picture.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event);
    moved = false;
  });
  picture.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (!moved && Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) < 4) return;
    if (!moved) picture.setPointerCapture(event.pointerId);
    moved = true;
    picture.classList.add("moving");
    const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) {
      const bounds = picture.getBoundingClientRect();
      const far = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
      zoom(far(event) / Math.max(far(before), 1), other.clientX - bounds.left, other.clientY - bounds.top);
    } else {
      left += event.clientX - before.clientX;
      top += event.clientY - before.clientY;
      place();
    }
    pointers.set(event.pointerId, event);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    picture.classList.remove("moving");
  };
  picture.addEventListener("pointerup", release);
  picture.addEventListener("pointercancel", release);
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    const bounds = picture.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 24 : 1;
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - bounds.left, event.clientY - bounds.top);
  }, { passive: false });
  picture.addEventListener("click", (event) => {
    if (moved) return;
    const box = event.target.closest(".node");
    choose(box ? Number(box.dataset.number) : null);
    if (box) makeRoom(selected);
  });
  byId("zoom-in").addEventListener("click", () => zoomAtMiddle(1.3));
  byId("zoom-out").addEventListener("click", () => zoomAtMiddle(1 / 1.3));
  byId("zoom-fit").addEventListener("click", fit);

  // Selection.
  /** All that is reached from a node, with the arrows on the way. */
  function reached(start, neighbours) {
    const found = new Set([start]);
    const ways = new Set();
    const todo = [start];
    while (todo.length > 0) {
      for (const [next, arrow] of neighbours[todo.pop()]) {
        ways.add(arrow);
        if (!found.has(next)) {
          found.add(next);
          todo.push(next);
        }
      }
    }
    return [found, ways];
  }
  /** Selects a package by way of the address, so that it can be sent, and the browser goes back. */
  function choose(number) {
    const wanted = number === null ? "" : fragment(number);
    if (location.hash === wanted) return;
    if (number !== null) location.hash = wanted;
    else history.pushState(null, "", location.pathname + location.search);
    select(number);
  }
  function fromAddress() {
    let id = location.hash.slice(1);
    try {
      id = decodeURIComponent(id);
    } catch {
      // Not written by this page: taken as it is.
    }
    const number = numbers.get(id) ?? null;
    if (number === selected) return;
    select(number);
    if (number !== null) reveal(number);
  }
  function select(number) {
    const before = selected;
    selected = number;
    if (before !== null) {
      boxes[before].classList.remove("selected");
      boxes[before].setAttribute("aria-pressed", "false");
    }
    picture.classList.toggle("chosen", number !== null);
    rows?.forEach((row, index) => (index === number ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current")));
    if (number === null) {
      panel.hidden = true;
      return;
    }
    const [needed, toNeeds] = reached(number, needs);
    const [using, toUsers] = reached(number, users);
    boxes.forEach((box, index) => box.classList.toggle("near", needed.has(index) || using.has(index)));
    edges.forEach((edge, index) => {
      edge.classList.toggle("to-needs", toNeeds.has(index));
      edge.classList.toggle("to-users", toUsers.has(index));
      edge.classList.toggle("direct", arrows[index].from === number || arrows[index].to === number);
    });
    boxes[number].classList.add("selected");
    boxes[number].setAttribute("aria-pressed", "true");
    rove(number);
    describe(number, needed.size - 1, using.size - 1);
  }
  /** Only one box takes part in the order of tabs: arrow keys go on from there. */
  function rove(number) {
    view.querySelector('.node[tabindex="0"]')?.setAttribute("tabindex", "-1");
    boxes[number].setAttribute("tabindex", "0");
  }

  // The panel.
  function describe(number, allNeeds, allUsers) {
    const node = nodes[number];
    const look = looks.get(node.look);
    const close = element("button", { type: "button", class: "close", "aria-label": "Close (Escape)" }, "×");
    close.addEventListener("click", () => choose(null));
    const parts = [element("div", { class: "top" }, mark(look), element("h2", {}, node.id), close)];
    if (node.reference) parts.push(element("code", { class: "reference" }, node.reference));
    parts.push(element("p", { class: "meaning" }, chip(look.tone, look.label), " ", element("span", { class: "small" }, look.meaning)));
    node.problems.forEach((problem) => parts.push(element("p", { class: "problem" }, problem)));
    if (node.facts.length > 0) parts.push(list("", node.facts.map((fact) => element("li", { class: "small" }, fact))));
    if (node.platforms.length > 0) parts.push(title("Platforms"), list("platforms", node.platforms.map(platform)));
    parts.push(title(`Needs ${needs[number].length}${further(allNeeds, needs[number])}`, "needs"), links("needs", needs[number]));
    parts.push(title(`Needed by ${users[number].length}${further(allUsers, users[number])}`, "users"), links("users", users[number]));
    parts.push(title(plural(node.pins.length, "reference", "references")), list("pins", node.pins.map(pin)));
    panel.replaceChildren(...parts);
    panel.hidden = false;
    panel.scrollTop = 0;
  }
  const title = (text, kind = "") => element("h3", { class: kind }, text);
  const list = (kind, items) => element("ul", { class: kind }, ...items);
  const further = (all, direct) => (all > direct.length ? `, ${all} with all that follows` : "");
  const links = (kind, neighbours) => list(kind, neighbours.map(([other]) => {
    const look = looks.get(nodes[other].look);
    return element("li", {}, link(other), " ", chip(look.tone, `${look.mark} ${look.label}`));
  }));
  function platform(on) {
    const look = looks.get(on.look);
    const entry = element("li", { class: "entry" },
      element("div", { class: "row" }, element("code", {}, on.platform), chip(look.tone, `${look.mark} ${look.label}`)));
    const lines = [];
    if (on.steps.length > 0) lines.push(`to do: ${on.steps.join(", ")}`);
    if (on.places !== "") lines.push(`in: ${on.places}`);
    lines.push(...on.reasons);
    lines.forEach((line) => entry.append(element("div", { class: "small" }, line)));
    return entry;
  }
  function pin(it) {
    const text = element("code", {}, it.reference);
    const named = it.to === null ? text : element("a", { href: fragment(it.to) }, text);
    const entry = element("li", { class: "entry" },
      element("div", { class: "row" }, element("span", {}, named), chip(it.tone, it.state)),
      element("div", { class: "small" }, element("code", {}, it.place), ` · ${it.kind}`));
    if (it.note) entry.append(element("div", { class: "small" }, it.note));
    return entry;
  }

  // Search and legend.
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0 && shownLooks.size === 0) {
      matches = null;
    } else {
      matches = [];
      nodes.forEach((node, number) => {
        const text = `${node.id} ${node.reference ?? ""}`.toLowerCase();
        const wanted = shownLooks.size === 0 || shownLooks.has(node.look) || node.platforms.some((on) => shownLooks.has(on.look));
        if (wanted && words.every((word) => text.includes(word))) matches.push(number);
      });
    }
    const found = new Set(matches);
    picture.classList.toggle("filtered", matches !== null);
    boxes.forEach((box, number) => box.classList.toggle("match", found.has(number)));
    rows?.forEach((row, number) => (row.hidden = matches !== null && !found.has(number)));
    byId("found").textContent = matches === null ? "" : `${matches.length} of ${nodes.length}`;
  }
  function next(step) {
    if (!matches || matches.length === 0) return;
    const at = matches.indexOf(selected);
    const index = at < 0 ? (step > 0 ? 0 : matches.length - 1) : (at + step + matches.length) % matches.length;
    choose(matches[index]);
    reveal(matches[index]);
  }
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") {
      event.stopPropagation();
      if (search.value === "") search.blur();
      search.value = "";
      filter();
    }
  });
  page.looks.forEach((look) => {
    const count = nodes.filter((node) => node.look === look.key).length;
    const elsewhere = nodes.some((node) => node.platforms.some((on) => on.look === look.key));
    if (count === 0 && !elsewhere) return;
    const button = element("button", { type: "button", "aria-pressed": "false", title: look.meaning, "data-look": look.key },
      mark(look), element("span", {}, look.label), element("b", {}, String(count)));
    button.addEventListener("click", () => {
      const on = !shownLooks.has(look.key);
      if (on) shownLooks.add(look.key);
      else shownLooks.delete(look.key);
      button.setAttribute("aria-pressed", String(on));
      filter();
    });
    byId("legend").append(button);
  });

  // The list: the same without a picture.
  let rows = null;
  function makeList() {
    const head = element("tr", {}, ...["State", "Package", "Image", "Needs", "Needed by"].map((text) => element("th", { scope: "col" }, text)));
    const names = (neighbours) => element("td", {}, element("span", { class: "names" }, ...neighbours.flatMap(([other]) => [link(other), " "])));
    rows = nodes.map((node, number) => {
      const look = looks.get(node.look);
      return element("tr", {},
        element("td", {}, chip(look.tone, `${look.mark} ${look.label}`)),
        element("td", {}, link(number)),
        element("td", {}, element("code", {}, node.reference ?? "")),
        names(needs[number]),
        element("td", {}, String(users[number].length)));
    });
    byId("list").append(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
    if (selected !== null) rows[selected].setAttribute("aria-current", "true");
    filter();
  }
  function show(asList) {
    if (asList && rows === null) makeList();
    byId("stage").hidden = asList;
    byId("list").hidden = !asList;
    byId("show-list").setAttribute("aria-pressed", String(asList));
    byId("show-picture").setAttribute("aria-pressed", String(!asList));
    if (!asList && selected !== null) reveal(selected);
    if (asList && selected !== null) rows[selected].scrollIntoView({ block: "nearest" });
  }
  byId("show-list").addEventListener("click", () => show(true));
  byId("show-picture").addEventListener("click", () => show(false));

  // Light and dark: as the system says, until somebody says otherwise.
  const system = matchMedia("(prefers-color-scheme: dark)");
  let dark = null;
  try {
    dark = JSON.parse(localStorage.getItem("kitmake-dark"));
  } catch {
    // A browser that keeps nothing for files.
  }
  function paint() {
    const isDark = dark ?? system.matches;
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    byId("theme").setAttribute("aria-pressed", String(isDark));
  }
  function toggleTheme() {
    dark = !(dark ?? system.matches);
    try {
      localStorage.setItem("kitmake-dark", JSON.stringify(dark));
    } catch {
      // Then it is kept as long as the page is open.
    }
    paint();
  }
  system.addEventListener("change", paint);
  byId("theme").addEventListener("click", toggleTheme);

  // Keys.
  /** Where an arrow key leads: along the arrows to the left and right, else to the nearest box in that direction. */
  function beside(number, key) {
    const [x, y] = page.spots[number];
    const sideways = key === "ArrowLeft" ? needs[number] : key === "ArrowRight" ? users[number] : [];
    const along = sideways.map(([other]) => other).filter((other) => (key === "ArrowLeft" ? page.spots[other][0] < x : page.spots[other][0] > x));
    const ahead = {
      ArrowLeft: ([otherX]) => otherX < x,
      ArrowRight: ([otherX]) => otherX > x,
      ArrowUp: ([otherX, otherY]) => otherY < y && Math.abs(otherX - x) < 120,
      ArrowDown: ([otherX, otherY]) => otherY > y && Math.abs(otherX - x) < 120,
    }[key];
    const candidates = along.length > 0 ? along : [...nodes.keys()].filter((other) => ahead(page.spots[other]));
    const upright = key === "ArrowUp" || key === "ArrowDown";
    const far = ([otherX, otherY]) => Math.abs(otherX - x) * (upright ? 4 : 1) + Math.abs(otherY - y) * (upright ? 1 : 4);
    let best = null;
    for (const other of candidates) {
      if (best === null || far(page.spots[other]) < far(page.spots[best])) best = other;
    }
    return best;
  }
  picture.addEventListener("keydown", (event) => {
    const box = event.target.closest(".node");
    if (!box) return;
    const number = Number(box.dataset.number);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(number);
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      const other = beside(number, event.key);
      if (other === null) return;
      choose(other);
      reveal(other);
      boxes[other].focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = {
      "/": () => search.select(),
      Escape: () => choose(null),
      t: toggleTheme,
      "+": () => zoomAtMiddle(1.3),
      "-": () => zoomAtMiddle(1 / 1.3),
      0: fit,
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // Begin.
  byId("title").textContent = page.title;
  byId("summary").textContent = page.summary;
  if (page.problems.length > 0) {
    byId("problems").append(element("ul", {}, ...page.problems.map((problem) => element("li", {}, problem))));
    byId("problems").hidden = false;
  }
  const lines = [["image", "needs its image"], ["stale", "stale pin"], ["input", "input"], ["unused", "in a stage that is not built"]];
  for (const [line, text] of lines.filter(([line]) => arrows.some((arrow) => arrow.line === line))) {
    const sample = drawn("svg", { viewBox: "0 0 30 6", "aria-hidden": "true" }, drawn("path", { class: `edge ${line}`, d: "M0 3H30" }));
    byId("lines").append(element("span", {}, sample, text));
  }
  paint();
  fit();
  fromAddress();
  addEventListener("hashchange", fromAddress);
  addEventListener("popstate", fromAddress);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width && selected === null) fit();
    width = innerWidth;
  });
})();
