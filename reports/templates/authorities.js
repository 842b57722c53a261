// Authorities of the run: choose a quantity and one's own; the tables and figures read without it.
(() => {
  const source = document.getElementById("la-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const pick = (id) => document.getElementById(id);
  const quantityChoice = pick("la-quantity"), ownChoice = pick("la-own");
  const INK = "#1c2733", OWN = "#b8500f", NEAR = "#17597f", OTHER = "#8a96a3";
  const shape = (name, attributes, text) => {
    const made = document.createElementNS(pick("la-svg").namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  data.quantities.forEach((quantity, i) => {
    const unit = quantity.unit ? `, ${quantity.unit}` : "";
    quantityChoice.append(new Option(quantity.title + unit, i));
  });
  const byName = data.las.map((la, i) => [la.name, i]);
  byName.sort(([a], [b]) => a.localeCompare(b, "en-GB"));
  ownChoice.append(new Option("none chosen", ""));
  for (const [name, i] of byName) ownChoice.append(new Option(name, i));

  const ticks = (low, high) => {
    const raw = (high - low) / 4, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= raw);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) {
      found.push(Number(at.toPrecision(12)));
    }
    return found;
  };
  const shown = (value) => value.toLocaleString("en-GB", { maximumFractionDigits: 6 })
    .replace("-", "−");

  const select = (i) => { ownChoice.value = i; draw(); };
  const label = (i, row) => `${data.las[i].name}: ${row.text}; rank ${row.place}`;

  // Every authority from lowest to highest.
  const caterpillar = (quantity, order, roles) => {
    const wide = 760, high = 250, left = 58, right = 8, top = 10, bottom = 26;
    const rows = quantity.rows;
    const low = Math.min(quantity.reference, ...order.map((i) => rows[i].l));
    const most = Math.max(quantity.reference, ...order.map((i) => rows[i].u));
    const x = (k) => left + (k + 0.5) * (wide - left - right) / order.length;
    const y = (v) => top + (most - v) * (high - top - bottom) / (most - low || 1);
    const svg = shape("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img",
      "aria-label": `${quantity.title}: ${order.length} authorities from lowest to highest, ` +
        "with intervals; the table below names those chosen" });
    for (const at of ticks(low, most)) {
      svg.append(shape("line", { x1: left, x2: wide - right, y1: y(at), y2: y(at), stroke: "#e6eaee" }),
        shape("text", { x: left - 6, y: y(at) + 3.5, "text-anchor": "end" }, shown(at)));
    }
    const line = y(quantity.reference);
    svg.append(shape("line", { x1: left, x2: wide - right, y1: line, y2: line, stroke: INK,
      "stroke-dasharray": "5 3" }));
    const drawn = [...order.keys()].sort((a, b) => (roles.has(order[a]) - roles.has(order[b])) ||
      ((roles.get(order[a]) === "own") - (roles.get(order[b]) === "own")));
    for (const k of drawn) {
      const i = order[k], row = rows[i], role = roles.get(i);
      const colour = role === "own" ? OWN : role === "near" ? NEAR : role ? INK : OTHER;
      const group = shape("g", { stroke: colour, fill: colour, class: "mark" });
      group.append(shape("title", {}, label(i, row)),
        shape("line", { x1: x(k), x2: x(k), y1: y(row.l), y2: y(row.u),
          "stroke-width": role ? 3 : 1.4, opacity: role ? 1 : 0.55 }),
        shape("circle", { cx: x(k), cy: y(row.m), r: role ? 3.4 : 1.7, "stroke-width": 0 }),
        shape("rect", { x: x(k) - 2.5, width: 5, y: top, height: high - top - bottom,
          "fill-opacity": 0, stroke: "none" }));
      group.addEventListener("click", () => select(i));
      svg.append(group);
    }
    svg.append(shape("text", { x: wide - right, y: high - 6, "text-anchor": "end" },
      `${order.length} authorities, lowest to highest; ${data.stamp}, ${data.interval}`),
      shape("text", { x: left, y: high - 6 }, `dashed: ${quantity.reference_label} ${quantity.reference_text}`));
    return svg;
  };

  const bar = (low, middle, high, from, to, colour, mark) => {
    const x = (v) => 4 + 112 * (v - from) / (to - from || 1);
    const svg = shape("svg", { viewBox: "0 0 120 14", "aria-hidden": "true", class: "bar" });
    if (mark !== undefined) {
      svg.append(shape("line", { x1: x(mark), x2: x(mark), y1: 0, y2: 14, stroke: INK, "stroke-dasharray": "3 2" }));
    }
    svg.append(shape("line", { x1: x(low), x2: x(high), y1: 7, y2: 7, stroke: colour, "stroke-width": 4, opacity: 0.6 }),
      shape("circle", { cx: x(middle), cy: 7, r: 3.4, fill: colour }));
    return svg;
  };

  const WORDS = { own: "yours", near: "statistical neighbour", top: "highest", low: "lowest", mid: "median" };
  const table = (quantity, order, roles) => {
    const rows = quantity.rows;
    const chosen = [...order].reverse().filter((i) => roles.has(i));
    const low = Math.min(...chosen.map((i) => rows[i].l)), most = Math.max(...chosen.map((i) => rows[i].u));
    const made = element("table", undefined, { class: "chosen" });
    const unit = quantity.unit ? `, ${quantity.unit}` : "";
    made.append(element("caption", `${quantity.title}${unit}: chosen authorities, highest first, with ${data.interval} intervals`));
    const head = made.createTHead().insertRow();
    for (const [text, css] of [["Authority", ""], ["Estimate", ""], ["Rank", ""]]) {
      head.append(element("th", text, { scope: "col", class: css }));
    }
    const body = made.createTBody();
    for (const i of chosen) {
      const row = rows[i], role = roles.get(i), line = body.insertRow();
      const colour = role === "own" ? OWN : role === "near" ? NEAR : OTHER;
      line.className = role;
      const name = element("th", data.las[i].name, { scope: "row" });
      name.append(element("span", WORDS[role], { class: "sub" }));
      const value = line.insertCell(), rank = line.insertCell();
      line.prepend(name);
      value.append(bar(row.l, row.m, row.u, Math.min(low, quantity.reference), Math.max(most, quantity.reference), colour, quantity.reference), element("span", row.short, { class: "sub" }));
      rank.append(bar(row.rank[0], row.rank[1], row.rank[2], 1, row.of, colour), element("span", row.place, { class: "sub" }));
    }
    return made;
  };

  const colourOf = (part) => {
    const at = Math.max(0, Math.min(1, part)) * (data.colours.length - 1);
    const k = Math.min(Math.floor(at), data.colours.length - 2), rest = at - k;
    return data.colours[k].map((c, j) => Math.round(c + rest * (data.colours[k + 1][j] - c)));
  };
  // Black or white, whichever has the larger contrast by WCAG.
  const inkOn = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
  };
  const tileMap = (quantity, own) => {
    const placed = data.las.map((la, i) => [la, i]).filter(([la]) => la.tile);
    if (!placed.length) return null;
    const size = 30, every = [...placed.map(([la]) => la.tile), ...data.without.map((la) => la.tile)];
    const columns = Math.max(...every.map(([c]) => c)) + 1, lines = Math.max(...every.map(([, r]) => r)) + 1;
    const [from, to] = quantity.ends;
    const svg = shape("svg", { viewBox: `0 0 ${columns * size} ${lines * size + 68}`, role: "img",
      "aria-label": `${quantity.title}: a grid map of authorities; ` +
        "the table of all authorities has the numbers" });
    const defs = shape("defs", {});
    const hatch = shape("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    hatch.append(shape("line", { x1: 0, x2: 0, y1: 0, y2: 6, stroke: "#fff", "stroke-width": 1.6 }));
    const ramp = shape("linearGradient", { id: "ramp" });
    data.colours.forEach((c, k) => ramp.append(shape("stop", { offset: k / (data.colours.length - 1), "stop-color": `rgb(${c})` })));
    defs.append(hatch, ramp);
    svg.append(defs);
    const square = ([column, line], fill, words, name, ink, dash) => {
      const group = shape("g", { class: "mark" });
      const box = { x: column * size + 1, y: line * size + 1, width: size - 2, height: size - 2 };
      group.append(shape("title", {}, words), shape("rect", { ...box, fill, stroke: dash ? OTHER : "none", "stroke-dasharray": dash ? "3 2" : "none" }));
      const text = shape("text", { x: column * size + size / 2, y: line * size + size / 2 + 3.5, "text-anchor": "middle" }, name.slice(0, 3));
      text.style.fill = ink;
      return [group, box, text];
    };
    for (const [la, i] of placed) {
      const row = quantity.rows[i];
      if (!row) {
        const [group, , text] = square(la.tile, "#fff", `${la.name}: no estimate`, `×${la.name}`, "#5a6673", true);
        group.append(text);
        svg.append(group);
        continue;
      }
      const rgb = colourOf((row.m - from) / (to - from || 1));
      const [group, box, text] = square(la.tile, `rgb(${rgb})`, label(i, row), la.name, inkOn(rgb));
      if (row.side === "interval holds it") group.append(shape("rect", { ...box, fill: "url(#hatch)", opacity: 0.75 }));
      group.append(text);
      if (String(i) === own) group.append(shape("rect", { ...box, fill: "none", stroke: OWN, "stroke-width": 4 }));
      group.addEventListener("click", () => select(i));
      svg.append(group);
    }
    for (const la of data.without) {
      const [group, , text] = square(la.tile, "#fff", `${la.name}: no estimate`, `×${la.name}`, "#5a6673", true);
      group.append(text);
      svg.append(group);
    }
    const base = lines * size + 14, wide = Math.min(columns * size - 20, 340);
    svg.append(shape("rect", { x: 10, y: base, width: wide, height: 10, fill: "url(#ramp)" }));
    for (const at of ticks(from, to)) {
      const x = 10 + wide * (at - from) / (to - from || 1);
      svg.append(shape("line", { x1: x, x2: x, y1: base + 10, y2: base + 14, stroke: INK }),
        shape("text", { x, y: base + 25, "text-anchor": "middle" }, shown(at)));
    }
    svg.append(shape("text", { x: 10, y: base + 38 },
      `${quantity.unit || quantity.title}; ${data.stamp}, ${data.interval} intervals`),
      shape("text", { x: 10, y: base + 52 },
        `hatched: interval holds ${quantity.reference_words} (${quantity.reference_text}); dashed: no estimate`));
    return svg;
  };

  const draw = () => {
    const quantity = data.quantities[quantityChoice.value];
    const own = ownChoice.value, rows = quantity.rows;
    const order = [...rows.keys()].filter((i) => rows[i]).sort((a, b) => rows[a].m - rows[b].m);
    const roles = new Map(), ends = Math.min(3, Math.floor(order.length / 2));
    if (own !== "") for (const i of data.las[own].near) if (rows[i]) roles.set(i, "near");
    for (const i of order.slice(0, ends)) roles.set(i, "low");
    for (const i of order.slice(order.length - ends)) roles.set(i, "top");
    const middle = order[Math.floor((order.length - 1) / 2)];
    if (!roles.has(middle)) roles.set(middle, "mid");
    if (own !== "" && rows[own]) roles.set(Number(own), "own");
    const said = pick("la-said");
    if (own === "") said.textContent = "Choose your authority to see it beside its statistical neighbours.";
    else if (!rows[own]) said.textContent = `${data.las[own].name} has no estimate of this.`;
    else {
      const row = rows[own];
      const side = row.side === "above" ? "clearly above" : row.side === "below" ? "clearly below" : "not clearly apart from";
      said.textContent = `${label(own, row)}. It lies ${side} ${quantity.reference_words} (${quantity.reference_text}). ${row.sure}`;
      if (!data.las[own].near.length) said.textContent += " The cube names no statistical neighbours of it.";
    }
    pick("la-caterpillar").replaceChildren(caterpillar(quantity, order, roles));
    pick("la-chosen").replaceChildren(table(quantity, order, roles));
    const map = tileMap(quantity, own);
    pick("la-tiles").replaceChildren(...(map ? [map] : []));
    dispatchEvent(new Event("resize"));
  };
  quantityChoice.addEventListener("change", draw);
  ownChoice.addEventListener("change", draw);
  draw();
})();
