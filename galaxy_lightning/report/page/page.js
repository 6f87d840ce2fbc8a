"use strict";
// Shows the galaxies of a report. Texts from the data are only ever set as text, never as markup.

const PER_PAGE = 60, PER_CONFUSION = 12, BARS = 6;
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const total = data.labels.length;
/** Decodes base64 of uint16 in little-endian order. */
function decode(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0)), view = new DataView(bytes.buffer);
  return Uint16Array.from({ length: bytes.length / 2 }, (_, at) => view.getUint16(2 * at, true));
}
const probabilities = Float32Array.from(decode(data.probabilities), (value) => value / data.steps);
const lines = (id) => byId(id).textContent.trim().split("\n").filter(Boolean);
const trainingImages = lines("training-images");
/** Unpacks base64 of uint16; 65535 is missing. */
const unpack = (text, steps = 65534) => Array.from(decode(text), (value) => (value === 65535 ? null : value / steps));
const audits = (data.audit.models ?? []).map((audit) => ({
  ...audit,
  ...Object.fromEntries(["x", "y", "reliance", "quality"].filter((name) => audit[name]).map((name) => [name, unpack(audit[name])])),
  ...Object.fromEntries(["suggested", "flagged"].filter((name) => audit[name]).map((name) => [name, unpack(audit[name], 1)])),
}));
const auditOf = (model) => audits.find((audit) => audit.model === model);
const images = lines("images");
const filters = byId("filters"), tiles = byId("tiles"), dialog = byId("dialog");
// A model that always predicts the same class would disagree with every other one.
const judges = data.models.filter((model) => new Set(model.predicted).size > 1);
let found = [], page = 0, opened = -1;

/** The probability of a class that a model gives a galaxy. */
const probability = (model, galaxy, label) =>
  probabilities[(model * total + galaxy) * data.classes.length + label];
const predicted = (model, galaxy) => data.models[model].predicted[galaxy];
const confidence = (model, galaxy) => probability(model, galaxy, predicted(model, galaxy));
const isRight = (model, galaxy) => predicted(model, galaxy) === data.labels[galaxy];
function percent(value) {
  if (value > 0 && value < 0.0005) return "< 0.1%";
  const isExtreme = (value > 0 && value < 0.0095) || (value > 0.9905 && value < 1);
  return `${(100 * value).toFixed(isExtreme ? 1 : 0)}%`;
}
const count = (number, noun) => `${number.toLocaleString("en")} ${number === 1 ? noun : noun.replace(/y$/, "ie") + "s"}`;

/** Makes an element with properties and children; strings become text. */
function make(tag, properties = {}, ...children) {
  const { style, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  for (const [name, value] of Object.entries(style ?? {})) element.style.setProperty(name, value);
  element.append(...children);
  return element;
}

function picture(galaxy, alt) {
  if (!images.length) return "";
  return make("img", { src: `data:image/webp;base64,${images[galaxy]}`, alt });
}

function tile(model, galaxy, list, place) {
  const right = isRight(model, galaxy);
  const truth = data.classes[data.labels[galaxy]], guess = data.classes[predicted(model, galaxy)];
  const button = make(
    "button",
    { type: "button", className: "tile", title: data.ids[galaxy] },
    picture(galaxy, ""),
    make("span", {}, ...(right ? [] : ["true: "]), make("bdi", {}, truth)),
    make("span", { className: right ? "right" : "wrong" }, right ? "✓ " : "✗ ", ...(right ? [] : [make("bdi", {}, guess), ", "]), percent(confidence(model, galaxy))),
  );
  button.setAttribute("aria-label", `${data.ids[galaxy]}, true class ${truth}, predicted ${guess}, ${percent(confidence(model, galaxy))}`);
  button.addEventListener("click", () => open(list, place, model, button));
  return button;
}

// The list of galaxies

function settings() {
  const form = new FormData(filters), number = (name) => (form.get(name) === "" ? null : Number(form.get(name)));
  return {
    model: Number(form.get("model")), truth: number("truth"), predicted: number("predicted"),
    outcome: form.get("outcome"), sort: form.get("sort"), disagree: form.has("disagree"),
    low: (number("low") ?? 0) / 100, high: (number("high") ?? 100) / 100,
    id: form.get("id").trim().toLowerCase(),
  };
}

/** Whether the audit of a model flags the label of a galaxy as likely wrong. */
const isDoubtful = (model, galaxy) => auditOf(model)?.flagged?.[galaxy] === 1;

function matches(galaxy, wanted) {
  const sure = Math.round(confidence(wanted.model, galaxy) * 10000) / 10000;
  return (
    (wanted.truth === null || data.labels[galaxy] === wanted.truth) &&
    (wanted.predicted === null || predicted(wanted.model, galaxy) === wanted.predicted) &&
    (wanted.outcome !== "label" || isDoubtful(wanted.model, galaxy)) &&
    (!wanted.outcome || wanted.outcome === "label" || isRight(wanted.model, galaxy) === (wanted.outcome === "right")) &&
    sure >= wanted.low && sure <= wanted.high &&
    (!wanted.disagree || judges.some((model) => model.predicted[galaxy] !== judges[0].predicted[galaxy])) &&
    (!wanted.id || data.ids[galaxy].toLowerCase().includes(wanted.id) || (data.objids && data.objids[galaxy].includes(wanted.id)))
  );
}

function update() {
  const wanted = settings();
  found = [...data.labels.keys()].filter((galaxy) => matches(galaxy, wanted));
  if (wanted.sort !== "order") {
    const sign = wanted.sort === "sure" ? -1 : 1;
    found.sort((one, other) => sign * (confidence(wanted.model, one) - confidence(wanted.model, other)) || one - other);
  }
  page = 0;
  showPage();
}

function showPage(focus = -1) {
  const model = settings().model, pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const first = page * PER_PAGE, shown = found.slice(first, first + PER_PAGE);
  tiles.replaceChildren(...shown.map((galaxy, at) => tile(model, galaxy, found, first + at)));
  [...tiles.children].forEach((button, at) => { button.tabIndex = at === Math.max(focus, 0) ? 0 : -1; });
  if (focus >= 0) tiles.children[focus]?.focus();
  if (!shown.length) tiles.append(make("p", {}, "No galaxy matches the filters."));
  byId("count").textContent = `${found.length.toLocaleString("en")} of ${count(total, "galaxy")}`;
  byId("page").textContent = `page ${page + 1} of ${pages}`;
  byId("pages").hidden = pages === 1;
  byId("previous").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
}

function turn(pages, focus = -1) {
  const last = Math.max(0, Math.ceil(found.length / PER_PAGE) - 1);
  if (page + pages < 0 || page + pages > last) return;
  page += pages;
  showPage(focus);
}

/** Moves the focus between the tiles; the right arrow leads to the next page, the left arrow to the one before. */
function move(event) {
  const buttons = [...tiles.children], at = buttons.indexOf(document.activeElement);
  if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const second = buttons.findIndex((button) => button.offsetTop > buttons[0].offsetTop);
  const columns = second < 0 ? buttons.length : second;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: buttons.length - 1 - at };
  if (event.key === "PageDown" || event.key === "PageUp") {
    turn(event.key === "PageDown" ? 1 : -1, 0);
  } else if (event.key in steps) {
    const next = at + steps[event.key];
    if (next >= buttons.length && event.key === "ArrowRight" && page * PER_PAGE + next < found.length) turn(1, 0);
    else if (next < 0 && event.key === "ArrowLeft" && page > 0) turn(-1, PER_PAGE - 1);
    else if (buttons[next]) {
      buttons[at].tabIndex = -1;
      buttons[next].tabIndex = 0;
      buttons[next].focus();
    }
  } else return;
  event.preventDefault();
}

/** Shows the galaxies of one cell of a confusion matrix. */
const showCell = (model, truth, guess) => showFiltered({ model, truth, predicted: guess });

/** Shows the galaxies that match filters; the others are reset. */
function showFiltered(wanted) {
  const fields = filters.elements, values = { model: 0, truth: "", predicted: "", outcome: "", low: 0, high: 100, id: "", ...wanted };
  for (const [name, value] of Object.entries(values)) fields[name].value = value;
  fields.disagree.checked = false;
  update();
  byId("galaxies").scrollIntoView();
  tiles.firstElementChild?.focus({ preventScroll: true });
}

// The confusions

function showConfusions() {
  const model = Number(byId("confusions-model")?.value ?? 0), groups = new Map();
  for (let galaxy = 0; galaxy < total; galaxy += 1) {
    if (isRight(model, galaxy)) continue;
    const key = data.labels[galaxy] * data.classes.length + predicted(model, galaxy);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(galaxy);
  }
  const rows = [...groups].sort((one, other) => other[1].length - one[1].length).map(([key, members]) => {
    members.sort((one, other) => confidence(model, other) - confidence(model, one));
    const truth = Math.floor(key / data.classes.length), guess = key % data.classes.length;
    const all = make("button", { type: "button" }, "Show all");
    all.addEventListener("click", () => showCell(model, truth, guess));
    const strip = make("div", { className: "strip" }, ...members.slice(0, PER_CONFUSION).map((galaxy, at) => tile(model, galaxy, members, at)));
    const heading = make("h3", {}, make("strong", {}, make("bdi", {}, data.classes[truth])), " classified as ", make("strong", {}, make("bdi", {}, data.classes[guess])), `: ${count(members.length, "galaxy")} `);
    if (members.length > PER_CONFUSION) heading.append(all);
    return make("div", { className: "confusion-row" }, heading, strip);
  });
  byId("confusions-rows").replaceChildren(...(rows.length ? rows : [make("p", {}, "No galaxy is misclassified.")]));
}

// The audit: the map and the likely wrong labels

const shownAudit = () => audits[Number(byId("audit-model")?.value ?? 0)];
const map = byId("map"), tip = byId("map-tip");

/** The colour of a galaxy in the map. */
function mapColour(audit, galaxy, by, style) {
  if (by === "label") return style.getPropertyValue(`--class-${data.labels[galaxy]}`).trim() || style.getPropertyValue("--line");
  if (by === "error") return style.getPropertyValue(isRight(audit.model, galaxy) ? "--line" : "--wrong");
  const share = (confidence(audit.model, galaxy) - 1 / data.classes.length) / (1 - 1 / data.classes.length);
  return `color-mix(in oklab, ${style.getPropertyValue("--accent")} ${Math.round(100 * Math.max(share, 0))}%, ${style.getPropertyValue("--wrong")})`;
}

const mapPlaces = (audit) => [...data.labels.keys()].filter((galaxy) => audit.x[galaxy] !== null);
const mapPoint = (audit, galaxy, side) => [side * (0.03 + 0.94 * audit.x[galaxy]), side * (0.97 - 0.94 * audit.y[galaxy])];

function drawMap() {
  const audit = shownAudit(), by = byId("map-colours").value, style = getComputedStyle(document.documentElement);
  const side = map.clientWidth, scale = window.devicePixelRatio || 1, context = map.getContext("2d");
  map.width = map.height = side * scale;
  context.scale(scale, scale);
  const places = mapPlaces(audit), radius = Math.min(4, Math.max(1.3, 120 / Math.sqrt(places.length)));
  // Errors are drawn last, so that no other galaxy hides them.
  if (by === "error") places.sort((one, other) => isRight(audit.model, other) - isRight(audit.model, one));
  for (const galaxy of places) {
    const [x, y] = mapPoint(audit, galaxy, side);
    context.fillStyle = mapColour(audit, galaxy, by, style);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
  const entry = (colour, text) => make("span", {}, make("span", { className: "swatch", style: { "--colour": colour } }), make("bdi", {}, text));
  const legend = {
    label: [...data.classes.slice(0, 12).map((name, number) => entry(`var(--class-${number})`, name)), ...(data.classes.length > 12 ? [entry("var(--line)", "other classes")] : [])],
    error: [entry("var(--line)", "correct"), entry("var(--wrong)", "misclassified")],
    confidence: [entry("var(--wrong)", "unsure"), entry("var(--accent)", "sure")],
  };
  byId("map-legend").replaceChildren(...legend[by]);
}

/** The galaxy of the map that is closest to the pointer; -1 if none is near. */
function closest(event) {
  const audit = shownAudit(), box = map.getBoundingClientRect(), side = box.width;
  let best = 12 ** 2, found = -1;
  for (const galaxy of mapPlaces(audit)) {
    const [x, y] = mapPoint(audit, galaxy, side);
    const distance = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
    if (distance < best) [best, found] = [distance, galaxy];
  }
  return found;
}

function showTip(event) {
  const galaxy = closest(event), audit = shownAudit();
  tip.hidden = galaxy < 0;
  if (galaxy < 0) return;
  const [x, y] = mapPoint(audit, galaxy, map.clientWidth), isLeft = x > map.clientWidth / 2, isUp = y > map.clientWidth / 2;
  tip.replaceChildren(picture(galaxy, ""), make("bdi", {}, data.classes[data.labels[galaxy]]), ` ✓`.repeat(isRight(audit.model, galaxy)), isRight(audit.model, galaxy) ? "" : make("span", { className: "wrong" }, " ✗ ", make("bdi", {}, data.classes[predicted(audit.model, galaxy)])));
  Object.assign(tip.style, { left: isLeft ? "" : `${x + 10}px`, right: isLeft ? `${map.clientWidth - x + 10}px` : "", top: isUp ? "" : `${y + 10}px`, bottom: isUp ? `${map.clientWidth - y + 10}px` : "" });
}

function showAudit() {
  const audit = shownAudit();
  if (!audit) return;
  byId("map-part").hidden = !audit.x;
  if (audit.x) drawMap();
  const doubtful = audit.suggested ? [...data.labels.keys()].filter((galaxy) => isDoubtful(audit.model, galaxy)) : [];
  doubtful.sort((one, other) => audit.quality[one] - audit.quality[other]);
  byId("labels-part").hidden = !doubtful.length;
  byId("labels-title").textContent = `Likely wrong labels: ${count(doubtful.length, "galaxy")} `;
  if (doubtful.length > PER_CONFUSION) {
    const all = make("button", { type: "button" }, "Show all");
    all.addEventListener("click", () => showFiltered({ model: audit.model, outcome: "label" }));
    byId("labels-title").append(all);
  }
  byId("labels-strip").replaceChildren(...doubtful.slice(0, PER_CONFUSION).map((galaxy, at) => tile(audit.model, galaxy, doubtful, at)));
}

/** What the audits of the models say about a galaxy. */
function auditFacts(galaxy) {
  const parts = [];
  for (const audit of audits) {
    const name = audits.length > 1 ? `${data.models[audit.model].name}: ` : "", said = [];
    if (audit.reliance?.[galaxy] != null) said.push(`colour reliance ${audit.reliance[galaxy].toFixed(2)}`);
    if (isDoubtful(audit.model, galaxy) && audit.suggested[galaxy] !== null) said.push(`label likely wrong, ${data.classes[audit.suggested[galaxy]]} suggested`);
    if (said.length) parts.push(make("p", {}, name, said.join("; ")));
  }
  const measures = Object.entries(data.audit.measures ?? {}).filter(([, column]) => column[galaxy] !== null);
  if (measures.length) {
    const rows = measures.map(([title, column]) => make("tr", {}, make("th", { scope: "row" }, title), make("td", {}, String(column[galaxy]))));
    parts.push(make("details", {}, make("summary", {}, "Measures of the image"), make("table", { className: "votes" }, make("tbody", {}, ...rows))));
  }
  return parts;
}

/** The similar training galaxies of a galaxy, as one model sees them. */
function similar(audit, galaxy) {
  const numbers = audit?.nearest[galaxy] ?? [];
  if (!numbers.length) return [];
  const figures = numbers.map((number) => {
    const { id, label } = data.audit.training[number], source = trainingImages[number]?.replace(/^-$/, "");
    return make("figure", {}, ...(source ? [make("img", { src: `data:image/webp;base64,${source}`, alt: "" })] : []), make("figcaption", {}, make("bdi", {}, label), make("br"), id));
  });
  return [make("p", {}, "Most similar training galaxies:"), make("div", { className: "similar" }, ...figures)];
}

/** The image of a galaxy with the evidence for the predicted class (red) and against it (blue) over it. */
function evidence(audit, galaxy) {
  const image = picture(galaxy, `Image of the galaxy ${data.ids[galaxy]}`), text = audit?.explained[galaxy];
  if (!image) return [];
  if (!text) return [image];
  const side = data.audit.side, canvas = make("canvas", { width: side, height: side }), values = atob(text);
  const context = canvas.getContext("2d"), pixels = context.createImageData(side, side);
  for (let at = 0; at < values.length; at += 1) {
    const value = (values.charCodeAt(at) << 24 >> 24) / 127;
    pixels.data.set(value > 0 ? [255, 60, 40] : [60, 130, 255], 4 * at);
    pixels.data[4 * at + 3] = Math.min(255, 1.5 * 255 * Math.abs(value));
  }
  context.putImageData(pixels, 0, 0);
  const box = make("input", { type: "checkbox", checked: showsEvidence }), toggle = () => { canvas.hidden = !box.checked; showsEvidence = box.checked; };
  canvas.hidden = !showsEvidence;
  box.addEventListener("input", toggle);
  const guess = make("bdi", {}, data.classes[predicted(audit.model, galaxy)]);
  return [make("div", { className: "evidence" }, image, canvas), make("p", {}, make("label", {}, box, " evidence for ", guess, " in red, against it in blue"))];
}

// The dialog of a galaxy

let list = [], listModel = 0, opener = null, showsVotes = false, showsEvidence = false;

function open(galaxies, place, model, button) {
  [list, listModel, opener] = [galaxies, model, button];
  dialog.showModal();
  showGalaxy(place);
}

/** Shows the galaxy at a place of the list; the button of that title keeps the focus, if it can. */
function showGalaxy(place, focus = "") {
  opened = place;
  const galaxy = list[place];
  const step = (text, by, key) => {
    const button = make("button", { type: "button", title: key, disabled: !(place + by in list) }, text);
    button.addEventListener("click", () => showGalaxy(place + by, key));
    return button;
  };
  const close = make("button", { type: "button", title: "Escape" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const head = make("div", { className: "dialog-head" },
    make("h2", { id: "dialog-title" }, data.ids[galaxy]),
    make("div", { className: "controls" }, make("span", {}, `${(place + 1).toLocaleString("en")} of ${list.length.toLocaleString("en")}`), step("Previous", -1, "Left arrow"), step("Next", 1, "Right arrow"), close));
  const order = [listModel, ...data.models.keys()].filter((model, at, all) => all.indexOf(model) === at);
  const left = make("div", {}, ...evidence(auditOf(listModel), galaxy), ...facts(galaxy));
  const body = make("div", { className: "dialog-body" }, left, make("div", {}, ...order.flatMap((model) => bars(model, galaxy)), ...auditFacts(galaxy), ...similar(auditOf(listModel), galaxy)));
  dialog.replaceChildren(make("div", { className: "dialog-content" }, head, body));
  const used = [...head.querySelectorAll("button:enabled")].find((button) => button.title === focus);
  (used ?? close).focus();
}

/** The label, ids, links and votes of a galaxy. */
function facts(galaxy) {
  const parts = [make("p", {}, "True class: ", make("strong", {}, data.classes[data.labels[galaxy]]))];
  if (data.objids) parts.push(make("p", {}, `objid ${data.objids[galaxy]}`));
  const [ra, dec] = data.positions ? data.positions.map((column) => column[galaxy]) : [null, null];
  if (ra !== null && dec !== null) {
    const link = (href, text) => make("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
    parts.push(make("p", {}, `RA ${ra.toFixed(5)}°, Dec ${dec.toFixed(5)}°: `,
      link(`https://skyserver.sdss.org/dr18/VisualTools/navi?ra=${ra}&dec=${dec}`, "SDSS SkyServer"), ", ",
      link(`https://www.legacysurvey.org/viewer?ra=${ra}&dec=${dec}&layer=ls-dr10&zoom=15&mark=${ra},${dec}`, "Legacy Surveys")));
  }
  const votes = Object.entries(data.votes).filter(([, column]) => column[galaxy] !== null);
  if (votes.length) {
    const rows = votes.map(([name, column]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, String(column[galaxy]))));
    const table = make("details", { open: showsVotes }, make("summary", {}, "Votes"), make("table", { className: "votes" }, make("tbody", {}, ...rows)));
    table.addEventListener("toggle", () => { showsVotes = table.open; });
    parts.push(table);
  }
  return parts;
}

/** A model's probabilities for a galaxy as bars: of all classes, or of the most probable and the true class. */
function bars(model, galaxy) {
  const { name, runs, right } = data.models[model], truth = data.labels[galaxy], guess = predicted(model, galaxy);
  const labels = [...data.classes.keys()].sort((one, other) => probability(model, galaxy, other) - probability(model, galaxy, one));
  const shown = data.classes.length <= BARS ? [...data.classes.keys()] : labels.filter((label, at) => at < BARS - 1 || label === truth);
  const rows = shown.flatMap((label) => {
    const value = probability(model, galaxy, label), colour = `var(--model-${model})`;
    const bar = make("span", { className: "bar" }, make("i", { style: { width: `${100 * value}%`, "--colour": colour } }));
    return [make("bdi", {}, label === truth ? make("strong", {}, data.classes[label]) : data.classes[label]), bar, make("span", {}, percent(value))];
  });
  const verdict = make("span", { className: guess === truth ? "right" : "wrong" }, guess === truth ? "✓" : `✗ ${data.classes[guess]}`);
  const all = runs > 1 ? ` (correct in ${right[galaxy]} of ${runs} runs; the first is shown)` : "";
  return [make("p", {}, make("span", { className: "swatch", style: { "--colour": `var(--model-${model})` } }), `${name}: `, verdict, all), make("div", { className: "bars" }, ...rows)];
}

dialog.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (by && opened + by in list) { showGalaxy(opened + by, document.activeElement.title); event.preventDefault(); }
});
dialog.addEventListener("pointerdown", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  const last = [...(opener?.parentElement?.children ?? [])].find((button) => button.title === data.ids[list[opened]]);
  (last ?? opener)?.focus();
});
filters.addEventListener("input", update);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(update));
tiles.addEventListener("keydown", move);
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
for (const id of ["audit-model", "map-colours"]) byId(id)?.addEventListener("input", showAudit);
map?.addEventListener("pointermove", showTip);
map?.addEventListener("pointerleave", () => { tip.hidden = true; });
map?.addEventListener("click", (event) => {
  const galaxy = closest(event);
  if (galaxy >= 0) open([galaxy], 0, shownAudit().model, map);
});
const redraw = () => { if (shownAudit()?.x) drawMap(); };
window.addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
byId("confusions-model")?.addEventListener("input", showConfusions);
document.addEventListener("click", (event) => {
  const cell = event.target.closest(".confusion button");
  if (cell) showCell(cell.dataset.model, cell.dataset.truth, cell.dataset.predicted);
});
// A browser that returns to the page restores the filters.
window.addEventListener("pageshow", () => { showConfusions(); showAudit(); update(); });
