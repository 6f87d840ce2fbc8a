"use strict";
// Labels galaxies one at a time. All texts are set as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const number = data.ids.length;
const storageKey = "galaxy-lightning-labels-" + data.key;
const element = (id) => document.getElementById(id);
const SKIPPED = -1;

// labels: per galaxy the number of its class, SKIPPED, or null; at: the galaxy shown, or `number` at the end.
let state = { labels: new Array(number).fill(null), at: 0 };

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(storageKey));
    if (!stored || !Array.isArray(stored.labels) || stored.labels.length !== number) return;
    const valid = (label) => label === null
      || (Number.isInteger(label) && label >= SKIPPED && label < data.classes.length);
    if (!stored.labels.every(valid) || !Number.isInteger(stored.at)) return;
    state = { labels: stored.labels, at: Math.min(Math.max(stored.at, 0), number) };
  } catch (error) {
    notKept();
  }
}

function keep() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(state));
  } catch (error) {
    notKept();
  }
}

function notKept() {
  element("kept").textContent = "This browser keeps no data of pages: save the labels before you close this page.";
}

function show() {
  const { at, labels } = state;
  const isEnd = at === number;
  const done = labels.filter((label) => label !== null).length;
  const skipped = labels.filter((label) => label === SKIPPED).length;
  const counts = `${done - skipped} labelled` + (skipped ? `, ${skipped} skipped` : "");
  element("progress").textContent = (isEnd ? `All ${number} shown` : `${at + 1} of ${number}`) + ` · ${counts}`;
  element("bar").value = done;
  const image = isEnd ? null : data.images[at];
  element("image").hidden = !image;
  if (image) {
    element("image").src = image;
    element("image").alt = `Galaxy ${data.ids[at]}`;
  }
  element("problem").hidden = isEnd || Boolean(image);
  element("problem").textContent = isEnd ? "" : `No image: ${data.problems[at]}`;
  element("finished").hidden = !isEnd;
  element("finished").textContent = done === number
    ? "All galaxies are labelled or skipped. Save the labels."
    : `${number - done} galaxies have no label yet. Save the labels, or go back.`;
  element("name").textContent = isEnd ? "" : data.ids[at];
  for (const [index, button] of buttons.entries()) {
    button.setAttribute("aria-pressed", String(!isEnd && labels[at] === index));
    button.disabled = isEnd;
  }
  element("skip").setAttribute("aria-pressed", String(!isEnd && labels[at] === SKIPPED));
  element("skip").disabled = isEnd;
  element("back").disabled = at === 0;
  element("forward").disabled = isEnd;
  element("save").disabled = done === skipped;
  const prediction = element("prediction");
  prediction.hidden = isEnd || !element("show").checked;
  prediction.textContent = "";
  if (!prediction.hidden) {
    const shares = data.probabilities[at];
    const order = shares.map((_, index) => index).sort((a, b) => shares[b] - shares[a]).slice(0, 5);
    prediction.textContent = "The model: "
      + order.map((index) => `${data.classes[index].name} ${Math.round(100 * shares[index])}%`).join(", ");
  }
}

function label(value) {
  if (state.at === number) return;
  state.labels[state.at] = value;
  go(1);
}

function go(step) {
  state.at = Math.min(Math.max(state.at + step, 0), number);
  keep();
  show();
}

function cell(text) {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save() {
  const rows = [[data.column, ...(data.paths ? ["path"] : []), "label"]];
  state.labels.forEach((value, index) => {
    if (value === null || value === SKIPPED) return;
    rows.push([data.ids[index], ...(data.paths ? [data.paths[index]] : []), data.classes[value].name]);
  });
  if (rows.length === 1) return;
  const text = rows.map((row) => row.map(cell).join(",") + "\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const buttons = data.classes.map((each, index) => {
  const button = document.createElement("button");
  button.type = "button";
  if (each.key) {
    const key = document.createElement("kbd");
    key.textContent = each.key.toUpperCase();
    button.append(key, " ");
  }
  button.append(each.name);
  if (each.description) {
    const description = document.createElement("small");
    description.textContent = each.description;
    button.append(description);
  }
  button.addEventListener("click", () => label(index));
  element("classes").append(button);
  return button;
});
element("classes").classList.toggle("many", data.classes.length > 9);
element("back").addEventListener("click", () => go(-1));
element("forward").addEventListener("click", () => go(1));
element("skip").addEventListener("click", () => label(SKIPPED));
element("save").addEventListener("click", save);
element("show").addEventListener("change", show);
const keys = new Map(data.classes.map((each, index) => [each.key, index]).filter(([key]) => key));

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && key === "s") {
    event.preventDefault();
    save();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const action = keys.has(key) ? () => label(keys.get(key))
    : key === "s" || key === "0" ? () => label(SKIPPED)
    : key === "d" ? save
    : key === "arrowleft" || key === "backspace" ? () => go(-1)
    : key === "arrowright" ? () => go(1)
    : null;
  if (!action) return;
  event.preventDefault();
  if (!event.repeat || key.startsWith("arrow")) action();
});

// Another window with the same page labels the same galaxies.
window.addEventListener("storage", (event) => {
  if (event.key !== storageKey) return;
  const { at } = state;
  read();
  state.at = at;
  show();
});

read();
show();
