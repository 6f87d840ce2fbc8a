"use strict";
// Shows the galaxies of a report. Texts from the data are only ever set as text, never as markup.

const PER_PAGE = 60, PER_CONFUSION = 12, BARS = 6;
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const total = data.labels.length;
const probabilities = (() => {
  const bytes = Uint8Array.from(atob(data.probabilities), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer), count = bytes.length / 2;
  return Float32Array.from({ length: count }, (_, at) => view.getUint16(2 * at, true) / data.steps);
})();
const images = (() => {
  const text = byId("images").textContent.trim();
  return text ? text.split("\n") : [];
})();
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

function matches(galaxy, wanted) {
  const sure = Math.round(confidence(wanted.model, galaxy) * 10000) / 10000;
  return (
    (wanted.truth === null || data.labels[galaxy] === wanted.truth) &&
    (wanted.predicted === null || predicted(wanted.model, galaxy) === wanted.predicted) &&
    (!wanted.outcome || isRight(wanted.model, galaxy) === (wanted.outcome === "right")) &&
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
function showCell(model, truth, guess) {
  const fields = filters.elements, values = { model, truth, predicted: guess, outcome: "", low: 0, high: 100, id: "" };
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

// The dialog of a galaxy

let list = [], listModel = 0, opener = null, showsVotes = false;

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
  const left = make("div", {}, ...(images.length ? [picture(galaxy, `Image of the galaxy ${data.ids[galaxy]}`)] : []), ...facts(galaxy));
  const body = make("div", { className: "dialog-body" }, left, make("div", {}, ...order.flatMap((model) => bars(model, galaxy))));
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
byId("confusions-model")?.addEventListener("input", showConfusions);
document.addEventListener("click", (event) => {
  const cell = event.target.closest(".confusion button");
  if (cell) showCell(cell.dataset.model, cell.dataset.truth, cell.dataset.predicted);
});
// A browser that returns to the page restores the filters.
window.addEventListener("pageshow", () => { showConfusions(); update(); });
