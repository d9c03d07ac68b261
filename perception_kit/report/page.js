// Draws the figures of the page, and shows the frame that is chosen in a timeline, by the slider or by a picture.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const timeline = element("timeline"); // none on a page that compares
let chosen = 0;

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
  if (!element("mark").checked) return;
  for (const [box, color, text] of frame.boxes) {
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
  markBoxes(picture === chosen ? frame : { boxes: [] });
  if (timeline.layout) { // drawn already
    Plotly.relayout(timeline, { [`shapes[${data.cursor}].x0`]: frame.seconds, [`shapes[${data.cursor}].x1`]: frame.seconds });
  }
}

function connect() {
  element("slider").max = data.frames.length - 1;
  element("slider").addEventListener("input", (event) => show(Number(event.target.value)));
  element("earlier").addEventListener("click", () => show(chosen - 1));
  element("later").addEventListener("click", () => show(chosen + 1));
  element("mark").addEventListener("change", () => show(chosen));
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input")) return;
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

async function draw() {
  await loadPlotly();
  for (const [id, figure] of Object.entries(data.figures)) {
    await Plotly.newPlot(id, figure.data, figure.layout, { responsive: true, displaylogo: false });
  }
  if (!timeline) return;
  timeline.on("plotly_click", (event) => show(event.points[0].customdata));
  show(chosen);
}

if (data.frames) {
  connect();
  show(data.start);
}
draw().then(() => { document.body.dataset.ready = "yes"; });
