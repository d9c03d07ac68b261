// SPDX-License-Identifier: Apache-2.0
"use strict";

const byId = (id) => document.getElementById(id);
const HOVER_MS = 350, PREVIEW_S = 4, MAX_PLAY_S = 60, MAX_LANES = 6, MARGIN_S = 1;
const state = { moments: [], sources: new Map(), picture: null, shown: -1, asked: 0 };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

async function getJson(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Error("the server does not answer: is python -m video_search.serve still running?");
  }
  const body = await answer.json().catch(() => ({ error: `the server failed (${answer.status})` }));
  if (!answer.ok) throw new Error(body.error ?? `the server failed (${answer.status})`);
  return body;
}

// Times

function clockTime(seconds, clock) {
  if (clock === "wall") return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const whole = Math.max(0, seconds), minutes = Math.floor(whole / 60);
  return `${minutes}:${(whole - 60 * minutes).toFixed(1).padStart(4, "0")}`;
}

const lasts = (moment) => `${(moment.end_s - moment.start_s).toFixed(1)}\u00a0s`;
const kindClass = (kind) => (kind === "track" ? "track-kind" : kind);
const title = (moment) => [moment.color, moment.label || moment.text, ...moment.others.map((other) => `· ${other}`)].filter(Boolean).join(" ");
const fromInput = (id) => (byId(id).value ? new Date(byId(id).value).getTime() / 1000 : null);

// The search

function parameters() {
  const values = new URLSearchParams();
  const text = byId("q").value.trim();
  if (text) values.set("q", text);
  for (const box of document.querySelectorAll("#kinds input:checked")) values.append("kind", box.value);
  if (byId("source").value) values.set("source", byId("source").value);
  for (const id of ["since", "until"]) if (fromInput(id) !== null) values.set(id, fromInput(id));
  if (byId("newest").checked) values.set("newest", "true");
  return values;
}

function restore() {
  const values = new URLSearchParams(location.search);
  byId("q").value = values.get("q") ?? "";
  for (const box of document.querySelectorAll("#kinds input")) box.checked = values.getAll("kind").includes(box.value);
  byId("source").value = values.get("source") ?? "";
  byId("newest").checked = values.get("newest") === "true";
  for (const id of ["since", "until"]) {
    const seconds = Number(values.get(id));
    const local = new Date((seconds - new Date(seconds * 1000).getTimezoneOffset() * 60) * 1000);
    byId(id).value = values.has(id) && !Number.isNaN(local.getTime()) ? local.toISOString().slice(0, 19) : "";
  }
}

async function search() {
  const asked = ++state.asked, values = parameters();
  say("Searching …");
  byId("moments").setAttribute("aria-busy", "true");
  try {
    const options = state.picture ? { method: "POST", body: state.picture } : {};
    const found = await getJson(`/api/search?${values}`, options);
    if (asked !== state.asked) return; // a newer search is under way
    history.replaceState(null, "", values.size ? `?${values}` : location.pathname);
    state.moments = found.moments;
    const number = found.moments.length;
    say(number ? `${number} moment${number === 1 ? "" : "s"}` : "No moments found");
    byId("remarks").replaceChildren(...found.remarks.map((text) => make("li", {}, text)));
    byId("moments").replaceChildren(...found.moments.map(card));
    await drawLanes(asked);
  } catch (error) {
    if (asked !== state.asked) return;
    state.moments = [];
    byId("moments").replaceChildren();
    byId("remarks").replaceChildren();
    byId("timelines").hidden = true;
    say(error.message, true);
  } finally {
    if (asked === state.asked) byId("moments").removeAttribute("aria-busy");
  }
}

function say(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", isError);
}

function usePicture(file) {
  const box = byId("reference");
  if (box.hidden === false) URL.revokeObjectURL(box.querySelector("img").src);
  state.picture = file;
  box.hidden = !file;
  byId("image").value = "";
  if (file) {
    box.querySelector("img").src = URL.createObjectURL(file);
    box.querySelector("span").textContent = file.name || "pasted picture";
  }
  search();
}

// The grid

function card(moment, number) {
  const picture = make("span", { class: "picture" });
  if (moment.thumbnail) picture.append(make("img", { src: `/api/thumbnail/${encodeURIComponent(moment.thumbnail)}`, alt: "", loading: "lazy" }));
  else picture.append(make("span", { class: "none" }, moment.text ? `“${moment.text.slice(0, 140)}”` : "no picture"));
  picture.append(make("span", { class: "score" }, moment.score.toFixed(2)));

  const facts = make("span", { class: "caption" },
    make("b", {}, title(moment)),
    make("span", { class: "reason" }, moment.reasons.join("; ")),
    make("span", {}, `${clockTime(moment.start_s, moment.clock)}, ${lasts(moment)}`),
    make("span", {}, moment.name));
  const button = make("button", { type: "button", class: `moment ${kindClass(moment.kind)}`, "data-number": number, onclick: () => play(number) }, picture, facts);
  if (moment.has_clip) preview(button, picture, moment);
  return button;
}

/** Plays a few seconds in the card while the pointer or the keyboard rests on it. */
function preview(button, picture, moment) {
  let timer = 0;
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const video = make("video", { src: clipUrl(moment, PREVIEW_S, 0.5), "aria-hidden": "true", playsinline: "" });
      video.muted = video.loop = video.autoplay = true;
      video.addEventListener("error", () => video.remove());
      picture.append(video);
    }, HOVER_MS);
  };
  const stop = () => {
    clearTimeout(timer);
    picture.querySelector("video")?.remove();
  };
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, start);
  for (const name of ["pointerleave", "blur", "click"]) button.addEventListener(name, stop);
}

/** Address of at most so many seconds of a moment, around its best frame where it lasts longer. */
function clipUrl(moment, seconds, margin, download = false) {
  let start = BigInt(moment.start_ns), end = BigInt(moment.end_ns);
  const most = BigInt(seconds) * 1000000000n;
  if (end - start > most) {
    const centered = BigInt(moment.best_ns) - most / 2n;
    start = centered > start ? centered : start;
    if (start + most < end) end = start + most;
  }
  const values = new URLSearchParams({ start_ns: start, end_ns: end, margin_s: margin });
  if (download) values.set("download", "true");
  return `/api/clip/${encodeURIComponent(moment.source)}?${values}`;
}

// Timelines

async function drawLanes(asked) {
  const ids = [...new Set(state.moments.map((moment) => moment.source))];
  const loaded = await Promise.all(ids.slice(0, MAX_LANES).map((id) => getJson(`/api/timeline/${encodeURIComponent(id)}`)));
  if (asked !== state.asked) return;
  byId("timelines").hidden = !loaded.length;
  const lanes = loaded.map(lane);
  if (ids.length > MAX_LANES) lanes.push(make("p", {}, `${ids.length - MAX_LANES} more sources: choose one above to see its timeline.`));
  byId("lanes").replaceChildren(...lanes);
}

function lane({ source, tags, left_out }) {
  const found = state.moments.map((moment, number) => ({ moment, number })).filter(({ moment }) => moment.source === source.id);
  const all = [...tags, ...found.map(({ moment }) => moment)];
  const start = Math.min(source.start_s || Infinity, ...all.map((tag) => tag.start_s));
  const end = Math.max(source.end_s, ...all.map((tag) => tag.end_s), start + 0.1);
  const place = (element, tag) => {
    element.style.left = `${(100 * (tag.start_s - start)) / (end - start)}%`;
    element.style.width = `${(100 * (tag.end_s - tag.start_s)) / (end - start)}%`;
    return element;
  };

  // Tags in as few rows as their overlaps need, as far as there is room.
  const rows = [];
  const bars = tags.map((tag) => {
    let row = rows.findIndex((until) => until < tag.start_s);
    if (row < 0) row = rows.length < 7 ? rows.length : 6;
    rows[row] = tag.end_s;
    const bar = place(make("i", { class: `${kindClass(tag.kind)}${tag.label === "falling" ? " falling" : ""}`, title: tag.label || tag.text }), tag);
    bar.style.top = `${2 + 6 * row}px`;
    return bar;
  });
  // Short ones lie over long ones, so that each can be reached.
  found.sort((a, b) => b.moment.end_s - b.moment.start_s - (a.moment.end_s - a.moment.start_s));
  const buttons = found.map(({ moment, number }) =>
    place(make("button", { type: "button", "aria-label": `${title(moment)}, ${clockTime(moment.start_s, moment.clock)}`, title: title(moment), "data-number": number, onclick: () => play(number) }), moment));
  const more = left_out ? `, ${left_out} more not drawn` : "";
  return make("div", { class: "lane" },
    make("div", { class: "name" }, make("b", {}, source.name), make("span", {}, `${tags.length} tag${tags.length === 1 ? "" : "s"}${more}`)),
    make("div", { class: "track" }, ...bars, ...buttons),
    make("div", { class: "ends" }, make("span", {}, clockTime(start, source.clock)), make("span", {}, clockTime(end, source.clock))));
}

// The player

function play(number) {
  const moment = state.moments[number];
  if (!moment) return;
  state.shown = number;
  byId("player-title").textContent = title(moment);
  byId("player-error").textContent = "";
  const facts = [["When", `${clockTime(moment.start_s, moment.clock)}, ${lasts(moment)}`], ["Why", moment.reasons.join("; ")], ["Source", moment.name]];
  if (moment.text) facts.push(["Text", moment.text]);
  if (moment.track_id >= 0) facts.push(["Track", moment.track_id]);
  if (moment.position) facts.push(["Position", `${moment.position.join(", ")} m in ${moment.frame_id || "the camera"}`]);
  byId("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));

  const video = byId("video"), still = byId("still");
  video.hidden = !moment.has_clip;
  still.hidden = moment.has_clip || !moment.thumbnail;
  byId("download").hidden = !moment.has_clip;
  if (moment.has_clip) {
    video.src = clipUrl(moment, MAX_PLAY_S, MARGIN_S);
    byId("download").href = clipUrl(moment, MAX_PLAY_S, MARGIN_S, true);
    video.play().catch(() => {}); // the controls are there
  } else {
    stopVideo();
    if (moment.thumbnail) still.src = `/api/thumbnail/${encodeURIComponent(moment.thumbnail)}`;
  }
  for (const button of document.querySelectorAll(".track button")) button.classList.toggle("shown", Number(button.dataset.number) === number);
  byId("previous").disabled = number === 0;
  byId("next").disabled = number === state.moments.length - 1;
  if (!byId("player").open) byId("player").showModal();
}

function stopVideo() {
  byId("video").pause();
  byId("video").removeAttribute("src");
  byId("video").load();
}

/** Says why there is no clip: the answer of the server, which the video element hides. */
async function explainVideo() {
  const address = byId("video").getAttribute("src");
  if (!address) return;
  try {
    await getJson(address);
  } catch (error) {
    byId("player-error").textContent = error.message;
    byId("video").hidden = byId("download").hidden = true;
  }
}

// The keyboard

function moveFocus(event) {
  const cards = [...document.querySelectorAll(".moment")];
  const at = cards.indexOf(document.activeElement);
  if (at < 0) return;
  const columns = cards.filter((other) => other.offsetTop === cards[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  if (event.key === "ArrowUp" && at < columns) byId("q").focus();
  else cards[Math.min(Math.max(at + step, 0), cards.length - 1)].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input:not([type=checkbox]), select");
  if (byId("player").open) {
    if (event.key === "n") play(state.shown + 1);
    if (event.key === "p") play(state.shown - 1);
  } else if (event.key === "/" && !isTyping) {
    event.preventDefault();
    byId("q").select();
  } else if (event.key === "ArrowDown" && event.target === byId("q") && !event.defaultPrevented) {
    document.querySelector(".moment")?.focus();
  } else moveFocus(event);
});

// Start

function watch() {
  byId("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  for (const id of ["kinds", "source", "since", "until", "newest"]) byId(id).addEventListener("change", search);
  byId("image").addEventListener("change", () => byId("image").files[0] && usePicture(byId("image").files[0]));
  byId("reference").querySelector("button").addEventListener("click", () => { usePicture(null); byId("q").focus(); });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((entry) => entry.type.startsWith("image/"));
    if (file) usePicture(file);
  });
  document.addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
  document.addEventListener("dragleave", () => byId("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    if (event.dataTransfer.files[0]) usePicture(event.dataTransfer.files[0]);
  });
  byId("close").addEventListener("click", () => byId("player").close());
  byId("player").addEventListener("close", () => {
    stopVideo();
    document.querySelectorAll(".moment")[state.shown]?.focus();
  });
  byId("player").addEventListener("click", (event) => event.target === byId("player") && byId("player").close());
  byId("previous").addEventListener("click", () => play(state.shown - 1));
  byId("next").addEventListener("click", () => play(state.shown + 1));
  byId("video").addEventListener("error", explainVideo);
}

async function start() {
  watch();
  try {
    const library = await getJson("/api/library");
    byId("library").textContent = `${library.name}: ${library.tags} tags of ${library.sources.length} sources`;
    byId("labels").replaceChildren(...library.labels.map((label) => make("option", { value: label })));
    for (const kind of library.kinds) byId("kinds").append(make("label", { class: kindClass(kind) }, make("input", { type: "checkbox", name: "kind", value: kind }), kind));
    for (const source of library.sources) {
      const failed = source.state === "failed" ? " (failed)" : "";
      byId("source").append(make("option", { value: source.id }, source.name + failed));
    }
    restore();
    await search();
  } catch (error) {
    say(error.message, true);
  }
}

start();
