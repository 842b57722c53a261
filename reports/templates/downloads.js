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
      const content = document.getElementById(`${file}-csv`).href.split(",")[1];
      const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
      linesOf[file] = new TextDecoder().decode(bytes).split(/\r?\n/).filter(Boolean);
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
  const offer = (place, name, title, find, numbers = {}) => {
    const line = document.createElement("p");
    line.className = "files";
    line.append("Download ");
    line.append(button("SVG", title, () => save(find()[0], `${name}.svg`)),
      button("PNG", title, () => savePng(...find(), `${name}.png`)));
    const { file, column, values } = numbers;
    if (file && document.getElementById(`${file}-csv`)) {
      line.append(button("CSV", title,
        () => save(textFile(rowsOf(file, column, values.split("|")), "text/csv"), `${name}.csv`)));
    }
    place.append(line);
  };
  for (const figure of document.querySelectorAll("figure")) {
    const image = figure.querySelector(".plot img");
    if (!image) continue;
    const title = figure.querySelector("h3, h4").textContent;
    offer(figure, figure.id.replace(/^figure-/, ""), title,
      () => [image.src, Number(image.getAttribute("width")), Number(image.getAttribute("height"))],
      figure.dataset);
  }
  for (const [id, title] of [["la-caterpillar", "all authorities in order"], ["la-tiles", "grid map"]]) {
    const place = document.getElementById(id);
    if (!place) continue;
    const line = document.createElement("div");
    place.after(line);
    const show = () => {
      line.replaceChildren();
      const svg = place.querySelector("svg");
      if (svg) offer(line, id, title, () => drawnSource(place.querySelector("svg")));
    };
    show();
    new MutationObserver(show).observe(place, { childList: true });
  }
})();
