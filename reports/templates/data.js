"use strict";
// Searching of findings and the profile of a chosen authority; all else reads without this script.
(() => {
  const search = document.getElementById("findings-search");
  if (search) {
    const count = document.getElementById("findings-count");
    const groups = [...document.querySelectorAll("details.group")].map((group) => ({
      group,
      open: group.open,
      name: group.dataset.check.toLowerCase(),
      note: group.querySelector(".matches"),
      rows: [...group.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]),
    }));
    const filter = () => {
      const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0, all = 0;
      for (const { group, name, rows, note, open } of groups) {
        let here = 0;
        for (const [row, text] of rows) {
          row.hidden = !words.every((word) => text.includes(word) || name.includes(word));
          here += row.hidden ? 0 : 1;
        }
        shown += here;
        all += rows.length;
        group.hidden = words.length > 0 && here === 0;
        group.open = words.length > 0 ? here > 0 : open;
        note.textContent = words.length ? `, ${here} match` : "";
      }
      count.textContent = `${shown} of ${all} findings`;
    };
    search.addEventListener("input", filter);
    filter();
  }

  const source = document.getElementById("profile-data");
  const choice = document.getElementById("profile-la");
  const panels = document.getElementById("profile-panels");
  if (!source || !choice || !panels) return;
  const data = JSON.parse(source.textContent);
  // The name of SVG's elements, taken from one: no address stands in this page.
  const SVG = document.getElementById("svg-of-page").namespaceURI;
  const W = 250, H = 168, LEFT = 36, RIGHT = 6, TOP = 8, BOTTOM = 30;
  const INK = "#1c2733", ACCENT = "#17597f", FAINT = "#cfd8df", BREAK = "#b8500f";

  // A word of a series: a number, lower:upper, or the letter of a reason.
  const parse = (text) => (text ? text.split(" ") : []).map((word) => {
    if (data.reasons[word]) return { reason: data.reasons[word] };
    const [lower, upper] = word.split(":").map(Number);
    return upper === undefined ? { value: lower, lower, upper: lower } : { lower, upper };
  });
  const middle = (cell) => (cell.reason ? NaN : cell.value ?? (cell.lower + cell.upper) / 2);
  const show = (value) => value.toLocaleString("en-GB", {
    maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 1,
  });
  const say = (cell) => {
    if (cell.reason) return cell.reason;
    const [low, high] = [show(cell.lower), show(cell.upper)];
    return low === high ? low : `${low} to ${high}`;
  };
  const median = (values) => {
    const sorted = values.filter((v) => !Number.isNaN(v)).sort((a, b) => a - b);
    const half = sorted.length >> 1;
    return !sorted.length ? NaN : sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  };
  const step = (range) => {
    const raw = range / 3, power = 10 ** Math.floor(Math.log10(raw));
    return power * [1, 2, 2.5, 5, 10].find((m) => m * power >= raw);
  };
  const add = (parent, name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };
  // Lines break where a year has no figure.
  const path = (points) => points.map(([x, y], i) => Number.isNaN(y) ? ""
    : `${i && !Number.isNaN(points[i - 1][1]) ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

  const draw = (indicator, la) => {
    const own = parse(indicator.las[la]);
    const england = parse(indicator.england);
    const others = data.neighbours[la].map((i) => parse(indicator.las[i]));
    const years = data.years;
    const first = years[0], last = years[years.length - 1];
    const seen = data.nationalYears.map((year, i) => [year, england[i]])
      .filter(([year, cell]) => cell && year >= first && year <= last);
    // Bounds that reach far above every number would flatten the rest: they run off the panel.
    const highs = [...own, ...seen.map(([, cell]) => cell)].filter((c) => !c.reason);
    const numbers = [...highs.map((c) => c.value), ...others.flat().map((c) => c.value)]
      .filter((v) => v !== undefined);
    let top = numbers.length ? Math.max(...numbers) : 0;
    for (const cell of highs) if (!numbers.length || cell.upper <= 2 * top) top = Math.max(top, cell.upper);
    top = top > 0 ? top * 1.06 : 1;
    const x = (year) => first === last ? (LEFT + W - RIGHT) / 2
      : LEFT + 6 + (year - first) / (last - first) * (W - LEFT - RIGHT - 12);
    const y = (value) => H - BOTTOM - Math.min(value, top) / top * (H - TOP - BOTTOM);

    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const unit = document.createElement("span");
    unit.textContent = indicator.unit;
    caption.append(indicator.label, unit);
    const svg = add(figure, "svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
    svg.setAttribute("aria-label", `${indicator.label}, ${indicator.unit}, by year`);
    figure.prepend(caption);
    const gap = step(top);
    for (let v = 0; v <= top; v += gap) {
      add(svg, "line", { x1: LEFT, x2: W - RIGHT, y1: y(v), y2: y(v), stroke: "#e6eaee" });
      add(svg, "text", { x: LEFT - 5, y: y(v) + 3.5, "text-anchor": "end" }, show(v));
    }
    const every = Math.max(1, Math.ceil(years.length / 6));
    years.forEach((year, i) => {
      if (i % every === 0) add(svg, "text", { x: x(year), y: H - 15, "text-anchor": "middle" }, year);
    });
    add(svg, "text", { x: (LEFT + W - RIGHT) / 2, y: H - 2, "text-anchor": "middle", "font-size": "9.5" },
      "Year ending 31 March");
    for (const [year, name] of indicator.breaks) {
      if (year - 0.5 < first || year - 0.5 > last) continue;
      const line = add(svg, "line", { x1: x(year - 0.5), x2: x(year - 0.5), y1: TOP, y2: H - BOTTOM,
        stroke: BREAK, "stroke-dasharray": "2 2" });
      add(line, "title", {}, `definition from ${year}: ${name}`);
    }
    const line = (cells, at, style) => add(svg, "path", {
      d: path(cells.map((cell, i) => [x(at[i]), y(middle(cell))])), fill: "none", ...style });
    others.forEach((cells) => line(cells, years, { stroke: FAINT, "stroke-width": 1 }));
    line(seen.map(([, cell]) => cell), seen.map(([year]) => year),
      { stroke: INK, "stroke-width": 1.2, "stroke-dasharray": "5 3" });
    line(own.map((cell) => cell.value === undefined ? { reason: "hidden" } : cell), years,
      { stroke: ACCENT, "stroke-width": 2 });
    own.forEach((cell, i) => {
      const at = x(years[i]);
      const mark = cell.reason
        ? add(svg, "text", { x: at, y: H - BOTTOM - 3, "text-anchor": "middle" }, "×")
        : cell.value !== undefined
          ? add(svg, "circle", { cx: at, cy: y(cell.value), r: 3, fill: ACCENT })
          : add(svg, "line", { x1: at, x2: at, y1: y(cell.lower), y2: Math.min(y(cell.upper), y(cell.lower) - 2),
            stroke: ACCENT, "stroke-width": 5, opacity: 0.55 });
      add(mark, "title", {}, `${years[i]}: ${say(cell)}${cell.reason || cell.value !== undefined ? "" : ", the count is hidden"}`);
    });
    // The latest year that the authority has a figure for, in words.
    const latest = own.findLastIndex((cell) => !cell.reason);
    const words = document.createElement("p");
    words.className = "latest";
    if (latest < 0) {
      words.textContent = "no figure in these years";
    } else {
      const value = document.createElement("b");
      value.textContent = say(own[latest]);
      const beside = seen.find(([year, cell]) => year === years[latest] && !cell.reason);
      const usual = median(others.map((cells) => middle(cells[latest])));
      words.append(`${years[latest]}: `, value,
        beside ? ` · England ${say(beside[1])}` : "",
        Number.isNaN(usual) ? "" : ` · median of those beside it ${show(usual)}`);
    }
    figure.append(words);
    return figure;
  };

  data.las.map((name, i) => [name, i]).sort(([a], [b]) => a.localeCompare(b, "en-GB"))
    .forEach(([name, i]) => choice.append(new Option(name, i)));
  const render = () => {
    const la = Number(choice.value);
    panels.replaceChildren(...data.indicators.map((indicator) => draw(indicator, la)));
    const near = document.getElementById("profile-neighbours");
    const names = data.neighbours[la].map((i) => data.las[i]);
    near.textContent = names.length
      ? `${data.beside[la]}: ${names.join(", ")}.`
      : "The cube holds neither statistical neighbours of this authority nor others of its region.";
  };
  choice.addEventListener("change", render);
  choice.value = String(data.default);
  render();
})();
