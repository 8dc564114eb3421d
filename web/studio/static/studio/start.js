// Choosing: a file, a drop, a paste or a sample; then the square; then sending, with a bar.
import { advise } from "./advice.js";
import { crop } from "./crop.js";
import { keepChoice, lastChoice, putAside, takeBack } from "./kept.js";
import { start as slider } from "./slider.js";
import { renew } from "./strip.js";
import { give, receive, send, sorted } from "./upload.js";

const byId = (id) => document.getElementById(id);
const form = byId("change"), input = byId("picture"), preview = byId("preview"), wrong = byId("wrong");
const parts = { box: "crop", layer: "layer", picture: "preview", frame: "frame", range: "size", output: "pixels", zoom: "zoom", times: "times" };
const square = crop(Object.fromEntries(Object.entries(parts).map(([name, id]) => [name, byId(id)])), tell);
const whole = byId("whole"), limits = byId("limits");
const language = document.querySelector(".top form");
let shown = "", unsuited = {}; // tasks that the picture does not suit, and why
let left = ""; // which files are left out, and why
let choice = null, moving = false; // what was chosen before; whether the language changes
for (const example of document.querySelectorAll(".hero .stage")) slider(example);

const task = () => form.querySelector("[name=task]:checked").dataset;

// What the part comes to: said before anything is sent
function tell() {
  if (!preview.naturalWidth) return;
  const { scale, most, reduces } = task();
  const { width, height } = whole.checked ? square.size() : { width: square.side(), height: square.side() };
  const share = reduces ? Math.min(1, Math.sqrt(Number(most) / (width * height))) * scale : scale;
  const from = `${Math.round(width)} × ${Math.round(height)}`;
  const to = `${Math.round(width * share)} × ${Math.round(height * share)}`;
  const words = share < scale ? limits.dataset.reduced : limits.dataset.kept;
  limits.textContent = `${words} ${from} → ${to}`;
}

// The whole picture where the task takes it and nobody wants less, or the square
function fit() {
  const { most, reduces } = task();
  const large = !reduces && preview.naturalWidth * preview.naturalHeight > Number(most);
  byId("whole-box").hidden = false;
  whole.disabled = large;
  if (large) whole.checked = false;
  square.limit(!reduces ? Math.floor(Math.sqrt(Number(most))) : Infinity);
  byId("frame").hidden = byId("cropping").hidden = whole.checked;
  tell();
  if (large) limits.textContent = `${limits.dataset.most} ${limits.textContent}`;
  byId("unsuited").textContent = unsuited[form.querySelector("[name=task]:checked").value] || "";
}
whole.addEventListener("change", () => {
  if (!whole.checked) square.begin();
  square.magnify(1);
  fit();
});
byId("turn").addEventListener("click", () => {
  square.turn();
  tell();
});
for (const radio of form.elements.task) radio.addEventListener("change", fit);

// Of several pictures some may have been taken: then these stand below
function say(words, taken = 0) {
  if (taken) {
    refuse(words);
    renew().catch(() => {});
    return;
  }
  wrong.textContent = words;
  if (words) wrong.scrollIntoView({ block: "center" }); // where the eye is
}

// Back to choosing, with the words there
function refuse(words) {
  input.value = "";
  form.classList.remove("chosen");
  byId("early").textContent = words;
  byId("early").scrollIntoView({ block: "nearest" });
}

function show(address, alt) {
  if (shown.startsWith("blob:")) URL.revokeObjectURL(shown);
  shown = address;
  say("");
  preview.alt = alt;
  preview.src = address;
  form.classList.add("chosen");
}

async function take() {
  const chosen = input.files;
  if (!chosen.length) return;
  for (const radio of form.elements.sample) radio.checked = false;
  const { fit, words } = await sorted([...chosen], form);
  if (input.files !== chosen) return; // meanwhile another one was chosen
  byId("early").textContent = "";
  left = [left, words].filter(Boolean).join(" ");
  if (!fit.length) refuse(left);
  else if (fit.length < chosen.length) return give(input, fit);
  else show(URL.createObjectURL(fit[0]), byId("crop").dataset.alt);
  several();
  left = "";
}

// What happens where more than one is chosen, and which ones are left out
function several() {
  const box = byId("several"), count = input.files.length;
  box.textContent = [count > 1 ? box.dataset.words.replace("{n}", count) : "", left].filter(Boolean).join(" ");
}

// Why the server would not take a picture of this size
function badSize() {
  const { naturalWidth: width, naturalHeight: height } = preview, { smallest, pixels, small, large } = form.dataset;
  if (Math.min(width, height) < Number(smallest)) return small;
  return width * height > Number(pixels) ? large : "";
}

function showSample(radio) {
  input.value = "";
  several();
  byId("early").textContent = "";
  const picture = radio.parentElement.querySelector("img");
  show(picture.src, picture.alt);
}

preview.addEventListener("load", () => {
  const why = badSize(), [first, ...others] = input.files;
  if (why && others.length) {
    left = `${first.name}: ${why}`;
    return give(input, others);
  }
  if (why) return refuse(why);
  byId("crop").hidden = byId("cropping").hidden = false;
  byId("blind").hidden = true;
  whole.checked = true;
  square.reset();
  if (choice) {
    whole.checked = choice.whole;
    square.place(choice.part);
  }
  choice = null;
  fit();
  (whole.checked ? whole : byId("frame")).focus({ preventScroll: true });
  byId("square").scrollIntoView({ block: "nearest" });
  unsuited = {};
  advise(preview, form, byId("advice")).then((found) => {
    if (Object.keys(found).length) unsuited = found;
    fit();
  });
});
preview.addEventListener("error", () => {
  byId("crop").hidden = byId("cropping").hidden = true;
  byId("blind").hidden = false;
  byId("whole-box").hidden = true;
  limits.textContent = byId("advice").textContent = "";
  square.clear();
  choice = null;
});

receive(input, byId("drop"));
input.addEventListener("change", take);
for (const radio of form.elements.sample) {
  radio.addEventListener("change", () => {
    form.elements.task.value = radio.dataset.task;
    showSample(radio);
  });
}
byId("other").addEventListener("click", () => {
  form.classList.remove("chosen");
  for (const radio of form.elements.sample) radio.checked = false;
  input.value = "";
  input.focus();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  square.write(form.elements, whole.checked);
  say("");
  send(form, say, [...input.files].slice(1));
});

// Another language, or the way back: the picture, its part and the task stay

language.addEventListener("submit", async (event) => {
  const files = [...input.files];
  if (moving || !files.length || !window.caches) return void (moving = true);
  event.preventDefault();
  moving = true;
  await putAside(files).catch(() => {}); // the store is full: the picture has to be chosen again
  language.requestSubmit(event.submitter);
});

addEventListener("pagehide", () => {
  const { task, sample } = form.elements, names = [...input.files].map(({ name }) => name);
  const choice = { names, task: task.value, sample: sample.value, whole: whole.checked, part: square.told() };
  keepChoice(form.classList.contains("chosen") ? choice : null, moving);
});

addEventListener("pageshow", async ({ persisted }) => {
  moving = false;
  const [{ type }] = performance.getEntriesByType("navigation");
  if (persisted || type === "back_forward") renew().catch(() => {}); // without it the strip is a little old
  if (persisted) return; // all is as it was
  choice = lastChoice();
  const files = await takeBack(choice?.names);
  if (choice) for (const name of ["task", "sample"]) form.elements[name].value = choice[name];
  const sample = form.querySelector("[name=sample]:checked");
  if (files.length) give(input, files);
  else if (sample) showSample(sample);
  else if (input.files.length) take();
  else choice = null;
});
