// Draws the figures of the page, and shows the frame that is chosen in a timeline, by the slider or by a picture.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const timeline = element("timeline"); // none on a page that compares
let chosen = 0;
let playing = null;

async function loadPlotly() {
  const packed = Uint8Array.from(atob(element("plotly").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

function nearestPicture(index) {
  let best = null;
  for (const key of Object.keys(data.pictures)) {
    if (best === null || Math.abs(key - index) < Math.abs(best - index)) best = Number(key);
  }
  return best;
}

function pictureSource(index) {
  return "data:image/jpeg;base64," + data.pictures[index];
}

function markBoxes(frame) {
  const svg = element("boxes");
  svg.replaceChildren();
  for (const [box, color, text] of frame.boxes[element("mark").value] || []) {
    const [left, top, right, bottom] = box;
    const shape = document.createElementNS(svg.namespaceURI, "rect");
    for (const [name, value] of Object.entries({
      x: left, y: top, width: right - left, height: bottom - top, stroke: color, fill: "none", "stroke-width": 3, "stroke-dasharray": "9 6",
      "vector-effect": "non-scaling-stroke",
    })) shape.setAttribute(name, value);
    const label = document.createElementNS(svg.namespaceURI, "text");
    label.textContent = text;
    for (const [name, value] of Object.entries({
      x: left + 3, y: Math.max(bottom - 5, 14), fill: color, "font-size": data.image_height / 30, "font-weight": 700,
      stroke: "#000", "stroke-width": 3, "paint-order": "stroke",
    })) label.setAttribute(name, value);
    svg.append(shape, label);
  }
}

function show(index) {
  chosen = Math.max(0, Math.min(data.frames.length - 1, index));
  const frame = data.frames[chosen];
  const picture = nearestPicture(chosen);
  if (picture !== null) element("picture").src = pictureSource(picture);
  element("picture").dataset.frame = picture;
  element("slider").value = chosen;
  const other = picture !== null && picture !== chosen ? ` (picture of frame ${data.frames[picture].number})` : "";
  element("when").textContent = `frame ${frame.number}, ${frame.seconds.toFixed(2)} s${other}`;
  const texts = frame.problems.length ? frame.problems : [data.has_truth ? "nothing wrong" : "no truth is known"];
  element("problems").replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    item.className = data.has_truth && !frame.problems.length ? "fine" : "";
    return item;
  }));
  markBoxes(picture === chosen ? frame : { boxes: {} });
  if (timeline.layout) { // drawn already
    Plotly.relayout(timeline, { [`shapes[${data.cursor}].x0`]: frame.seconds, [`shapes[${data.cursor}].x1`]: frame.seconds });
  }
}

function connect() {
  element("slider").max = data.frames.length - 1;
  element("slider").addEventListener("input", (event) => show(Number(event.target.value)));
  element("earlier").addEventListener("click", () => show(chosen - 1));
  element("later").addEventListener("click", () => show(chosen + 1));
  element("play").addEventListener("click", play);
  element("picture").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else element("picture").parentNode.requestFullscreen();
  });
  element("mark").addEventListener("change", () => show(chosen));
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select")) return;
    if (event.key === "ArrowLeft") show(chosen - 1);
    if (event.key === "ArrowRight") show(chosen + 1);
  });
  for (const card of document.querySelectorAll(".worst figure")) {
    const index = Number(card.dataset.frame);
    if (index in data.pictures) card.querySelector("img").src = pictureSource(index);
    card.addEventListener("click", () => {
      show(index);
      element("viewer").scrollIntoView({ block: "nearest" });
    });
  }
}

// Plays at the speed of the recording, as far as the browser draws that fast.
function play() {
  const stop = playing !== null || chosen === data.frames.length - 1;
  clearTimeout(playing);
  playing = null;
  element("play").textContent = stop ? "▶ play" : "⏸ pause";
  if (stop) return;
  const [from, started] = [data.frames[chosen].seconds, performance.now() / 1000];
  const step = () => {
    const now = from + performance.now() / 1000 - started;
    let next = chosen;
    while (next < data.frames.length - 1 && data.frames[next + 1].seconds <= now) next++;
    if (next !== chosen) show(next);
    playing = next < data.frames.length - 1 ? setTimeout(step, 30) : null;
    if (playing === null) element("play").textContent = "▶ play";
  };
  playing = setTimeout(step, 30);
}

// The page's colors are its style's, those of the figures are set here.
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  const light = name === "light";
  const [text, grid, cursor] = light ? ["#1f2328", "#d0d7de", "#010409"] : ["#c9d1d9", "#30363f", "#ffffff"];
  for (const id of Object.keys(data.figures)) {
    const plot = element(id);
    if (!plot.layout) continue; // not drawn yet
    const update = { "font.color": text };
    for (const axis of Object.keys(plot.layout).filter((key) => /^[xy]axis/.test(key))) {
      for (const line of ["gridcolor", "zerolinecolor", "linecolor"]) update[`${axis}.${line}`] = grid;
    }
    if (plot === timeline) update[`shapes[${data.cursor}].line.color`] = cursor;
    Plotly.relayout(plot, update);
  }
}

function sortTable(header) {
  const column = [...header.parentNode.children].indexOf(header);
  const descending = header.getAttribute("aria-sort") !== "descending";
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const key = (row) => row.children[column].textContent.trim();
  const compare = (a, b) => {
    const [first, second] = [parseFloat(key(a)), parseFloat(key(b))];
    if (Number.isNaN(first) || Number.isNaN(second)) return key(a).localeCompare(key(b));
    return first - second;
  };
  const body = header.closest("table").tBodies[0];
  body.append(...[...body.rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b))));
}

// The list of all objects. Long ones are drawn in part at first: a browser takes long for thousands of rows.
const FEW = 100;
function listInstances() {
  const { columns, rows, frames, sorted_by } = data.instances;
  let [column, descending, count] = [columns.indexOf(sorted_by), true, FEW];
  const cell = (kind, text) => Object.assign(document.createElement(kind), { textContent: text ?? "–", className: typeof text === "string" ? "text" : "" });
  const compare = (a, b) => {
    const [first, second] = [rows[a][column], rows[b][column]];
    if (first === null || second === null) return (first === null) - (second === null);
    const order = typeof first === "number" ? first - second : first.localeCompare(second, undefined, { numeric: true });
    return descending ? -order : order;
  };
  const fill = () => {
    const head = document.createElement("tr");
    head.append(...columns.map((name, index) => {
      const header = cell("th", name);
      header.className = rows.every((row) => typeof row[index] === "string") ? "text" : "";
      if (index === column) header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      header.addEventListener("click", () => {
        [descending, column] = [index === column ? !descending : true, index];
        fill();
      });
      return header;
    }));
    const lines = [...rows.keys()].sort(compare).slice(0, count).map((index) => {
      const line = document.createElement("tr");
      line.append(...rows[index].map((value) => cell("td", value)));
      if (frames) line.addEventListener("click", () => {
        show(frames[index]);
        element("viewer").scrollIntoView({ block: "nearest" });
      });
      return line;
    });
    const [table, header, body] = ["table", "thead", "tbody"].map((name) => document.createElement(name));
    header.append(head);
    body.append(...lines);
    table.append(header, body);
    element("instances").replaceChildren(table);
    element("all").hidden = count >= rows.length;
    element("all").textContent = `show all ${rows.length}, not only the first ${count}`;
  };
  element("all").addEventListener("click", () => {
    count = rows.length;
    fill();
  });
  fill();
}

async function draw() {
  await loadPlotly();
  for (const [id, figure] of Object.entries(data.figures)) {
    await Plotly.newPlot(id, figure.data, figure.layout, { responsive: true, displaylogo: false });
  }
  setTheme(document.documentElement.dataset.theme);
  if (!timeline) return;
  timeline.on("plotly_click", (event) => show(event.points[0].customdata));
  show(chosen);
}

setTheme(matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
element("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "light" ? "dark" : "light"));
addEventListener("beforeprint", () => setTheme("light"));
for (const header of document.querySelectorAll("thead th")) header.addEventListener("click", () => sortTable(header));
if (element("instances")) listInstances();
if (data.frames) {
  connect();
  show(data.start);
}
draw().then(() => { document.body.dataset.ready = "yes"; });
