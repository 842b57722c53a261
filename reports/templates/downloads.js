// Files beside figures and tables; the whole files of numbers are links and need no script.
(() => {
  const save = (href, name) => {
    const link = document.createElement("a");
    link.href = href;
    link.download = name;
    link.click();
  };
  const textFile = (text, type) => `data:${type};charset=utf-8,${encodeURIComponent(text)}`;
  const button = (words, about, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "csv";
    made.textContent = words;
    made.setAttribute("aria-label", `${words}: ${about}`);
    made.addEventListener("click", act);
    return made;
  };
  // Rows of a file that the page offers whole, chosen by the values of one column.
  const fields = (line) =>
    (line.match(/("([^"]|"")*"|[^,]*)(,|$)/g) ?? []).map((f) => f.replace(/,$/, "").replace(/^"(.*)"$/, "$1"));
  const linesOf = {};
  const rowsOf = (file, column, values) => {
    if (!linesOf[file]) {
      const href = document.getElementById(`${file}-csv`).getAttribute("href");
      const text = decodeURIComponent(href.slice(href.indexOf(",") + 1));
      // A cell in quotes may hold the end of a line.
      linesOf[file] = text.match(/("([^"]|"")*"|[^"\r\n])+/g);
    }
    const [head, ...rest] = linesOf[file];
    const place = fields(head).indexOf(column);
    return [head, ...rest.filter((line) => values.includes(fields(line)[place]))].join("\n") + "\n";
  };
  if (document.getElementById("estimands-csv")) {
    for (const table of document.querySelectorAll("table.estimand")) {
      const name = table.dataset.estimand;
      table.closest(".table").after(button("CSV of this table", table.caption.textContent,
        () => save(textFile(rowsOf("estimands", "estimand", [name]), "text/csv"), `${name}.csv`)));
    }
  }
  const savePng = (source, wide, high, name) => {
    const image = new Image();
    image.addEventListener("load", () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * wide, 2 * high];
      const brush = canvas.getContext("2d");
      brush.fillStyle = "#fff";
      brush.fillRect(0, 0, canvas.width, canvas.height);
      brush.drawImage(image, 0, 0, canvas.width, canvas.height);
      save(canvas.toDataURL("image/png"), name);
    });
    image.src = source;
  };
  // A figure drawn in the page, with the style that the page gives it.
  const drawnSource = (svg) => {
    const copy = svg.cloneNode(true), style = getComputedStyle(svg);
    const [, , wide, high] = svg.getAttribute("viewBox").split(" ").map(Number);
    copy.setAttribute("xmlns", svg.namespaceURI);
    copy.setAttribute("width", wide);
    copy.setAttribute("height", high);
    copy.setAttribute("style", `font: ${style.font}; fill: ${style.fill}`);
    return [textFile(new XMLSerializer().serializeToString(copy), "image/svg+xml"), wide, high];
  };
  // What is drawn may be text, which scales, or a picture that is a PNG already.
  const offer = (place, name, title, find, csv) => {
    const line = document.createElement("p");
    line.className = "files";
    line.append("Download ");
    if (place.querySelector(".plot img")?.src.startsWith("data:image/png")) {
      line.append(button("PNG", title, () => save(find()[0], `${name}.png`)));
    } else {
      line.append(button("SVG", title, () => save(find()[0], `${name}.svg`)),
        button("PNG", title, () => savePng(...find(), `${name}.png`)));
    }
    // The page's own link to the numbers, if there is one, stands beside.
    const own = place.querySelector(":scope > p.files > a");
    if (own) {
      line.append(own);
      place.querySelector(":scope > p.files").replaceWith(line);
      return;
    }
    if (csv) line.append(button("CSV", title, () => save(textFile(csv(), "text/csv"), `${name}.csv`)));
    place.append(line);
  };
  const csvOf = ({ file, column, values }) => file && document.getElementById(`${file}-csv`)
    ? () => rowsOf(file, column, values.split("|")) : undefined;
  const cell = (value) => {
    const text = value === undefined || value === null ? "" : String(value);
    const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csvText = (rows) => rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
  for (const figure of document.querySelectorAll("figure")) {
    const image = figure.querySelector(".plot img");
    if (!image) continue;
    const title = figure.querySelector("h3, h4").textContent;
    offer(figure, figure.id.replace(/^figure-/, ""), title,
      () => [image.src, Number(image.getAttribute("width")), Number(image.getAttribute("height"))],
      csvOf(figure.dataset));
  }
  // All authorities of the quantity that is chosen.
  const authorities = () => {
    const data = JSON.parse(document.getElementById("la-data").textContent);
    const { title, unit, rows } = data.quantities[document.getElementById("la-quantity").value];
    const head = ["la", "name", "region", "quantity", "unit", "mean", "lower", "upper",
      "rank", "rank_lower", "rank_upper", "authorities"];
    const lines = rows.flatMap((row, i) => row ? [[data.las[i].code, data.las[i].name,
      data.las[i].region, title, unit, row.m, row.l, row.u, row.rank[1], row.rank[0], row.rank[2], row.of]] : []);
    return csvText([head, ...lines]);
  };
  // The chosen authority's small panels, with their names, as one picture and one table.
  const profile = (place) => {
    const made = (name, attributes, text) => {
      const node = document.createElementNS(place.querySelector("svg").namespaceURI, name);
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      if (text !== undefined) node.textContent = text;
      return node;
    };
    const panels = [...place.querySelectorAll("figure")], columns = 3, wide = 270, high = 216;
    const size = [columns * wide, Math.ceil(panels.length / columns) * high + 24];
    const style = getComputedStyle(place.querySelector("svg"));
    const sheet = made("svg", { width: size[0], height: size[1], viewBox: `0 0 ${size.join(" ")}`,
      style: `font: ${style.font}; fill: ${getComputedStyle(place.querySelector("svg text")).fill}` });
    const choice = document.getElementById("profile-la").selectedOptions[0].text;
    const kind = document.querySelector(".kind strong").textContent;
    sheet.append(made("text", { x: 6, y: 15, "font-weight": 600 }, `${choice} · ${kind}`));
    panels.forEach((panel, i) => {
      const at = made("g", { transform: `translate(${(i % columns) * wide} ${24 + Math.floor(i / columns) * high})` });
      const [label, unit] = panel.querySelector("figcaption").childNodes;
      const lines = label.textContent.match(/.{1,44}(\s|$)/g) ?? [label.textContent];
      lines.slice(0, 2).forEach((line, row) =>
        at.append(made("text", { x: 6, y: 10 + 11 * row, "font-weight": 600 }, line.trim())));
      at.append(made("text", { x: 6, y: 33 }, unit.textContent));
      const drawn = panel.querySelector("svg").cloneNode(true);
      for (const [name, value] of [["x", 0], ["y", 38], ["width", 250], ["height", 168]]) drawn.setAttribute(name, value);
      at.append(drawn);
      sheet.append(at);
    });
    return [textFile(new XMLSerializer().serializeToString(sheet), "image/svg+xml"), ...size];
  };
  const profileRows = () => {
    const data = JSON.parse(document.getElementById("profile-data").textContent);
    const la = document.getElementById("profile-la").value;
    const values = (word = "") => data.reasons[word] ? ["", "", "", data.reasons[word]]
      : word.includes(":") ? ["", ...word.split(":"), ""] : [word, word, word, ""];
    const lines = data.indicators.flatMap(({ label, unit, las, england }) => {
      const own = las[la].split(" "), seen = (england ?? "").split(" ");
      return data.years.map((year, i) => [data.las[la], label, unit, year, ...values(own[i]),
        ...values(seen[data.nationalYears.indexOf(year)]).slice(0, 3)]);
    });
    return csvText([["authority", "indicator", "unit", "year", "value", "lower", "upper", "reason",
      "england", "england_lower", "england_upper"], ...lines]);
  };
  const drawn = [
    ["la-caterpillar", "all authorities in order", drawnSource, authorities],
    ["la-tiles", "grid map", drawnSource, authorities],
    ["profile-panels", "one authority", (_, place) => profile(place), profileRows],
  ];
  for (const [id, title, source, csv] of drawn) {
    const place = document.getElementById(id);
    if (!place) continue;
    const line = document.createElement("div");
    place.after(line);
    const show = () => {
      line.replaceChildren();
      const svg = place.querySelector("svg");
      if (svg) offer(line, id, title, () => source(place.querySelector("svg"), place), csv);
    };
    show();
    new MutationObserver(show).observe(place, { childList: true });
  }
})();
