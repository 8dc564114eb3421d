// Choosing: a file, a drop, a paste or a sample; then the square; then sending, with a bar.
import { advise } from "./advice.js";
import { crop } from "./crop.js";
import { start as slider } from "./slider.js";

const byId = (id) => document.getElementById(id);
const form = byId("change"), input = byId("picture"), preview = byId("preview"), wrong = byId("wrong");
const square = crop(byId("crop"), preview, byId("frame"), byId("size"), byId("pixels"), tell);
const whole = byId("whole"), limits = byId("limits");
// How the files begin that the page may take: JPEG, PNG, GIF, WebP, TIFF in both byte orders, AVIF and HEIC
const known = [/^\xff\xd8/, /^\x89PNG/, /^GIF8/, /^RIFF....WEBP/s, /^II[*+]\0/, /^MM\0[*+]/, /^....ftyp/s];
let shown = "", unsuited = {}; // tasks that the picture does not suit, and why
for (const example of document.querySelectorAll(".hero .stage")) slider(example);

const task = () => form.querySelector("[name=task]:checked").dataset;

// What the part comes to: said before anything is sent
function tell() {
  if (!preview.naturalWidth) return;
  const { scale, most, reduces } = task();
  const width = whole.checked ? preview.naturalWidth : square.side();
  const height = whole.checked ? preview.naturalHeight : square.side();
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
whole.addEventListener("change", fit);
for (const radio of form.elements.task) radio.addEventListener("change", fit);

function say(words) {
  wrong.textContent = words;
  if (words) wrong.scrollIntoView({ block: "center" }); // where the eye is
}

function show(address, alt) {
  if (shown.startsWith("blob:")) URL.revokeObjectURL(shown);
  shown = address;
  say("");
  preview.alt = alt;
  preview.src = address;
  form.classList.add("chosen");
}

async function take(file) {
  if (!file) return;
  for (const radio of form.elements.sample) radio.checked = false;
  const bytes = await file.slice(0, 12).arrayBuffer().catch(() => new ArrayBuffer(0)); // of a folder none
  const start = String.fromCharCode(...new Uint8Array(bytes));
  if (input.files[0] !== file) return; // meanwhile another one was chosen
  const large = file.size > Number(form.dataset.most);
  const why = large ? form.dataset.tooLarge : known.some((kind) => kind.test(start)) ? "" : form.dataset.unknown;
  byId("early").textContent = why;
  if (why) {
    input.value = "";
    form.classList.remove("chosen"); // where the words are
    byId("early").scrollIntoView({ block: "nearest" });
    return;
  }
  show(URL.createObjectURL(file), byId("crop").dataset.alt);
}

function give(files) {
  if (!files.length) return;
  const one = new DataTransfer();
  one.items.add(files[0]);
  input.files = one.files;
  take(files[0]);
}

preview.addEventListener("load", () => {
  byId("crop").hidden = byId("cropping").hidden = false;
  byId("blind").hidden = true;
  whole.checked = true;
  square.reset();
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
});

input.addEventListener("change", () => take(input.files[0]));
for (const radio of form.elements.sample) {
  radio.addEventListener("change", () => {
    input.value = "";
    byId("early").textContent = "";
    const suits = form.querySelector(`[name=task][value="${radio.dataset.task}"]`);
    suits.checked = true;
    const picture = radio.parentElement.querySelector("img");
    show(picture.src, picture.alt);
  });
}
byId("other").addEventListener("click", () => {
  form.classList.remove("chosen");
  for (const radio of form.elements.sample) radio.checked = false;
  input.value = "";
  input.focus();
});

const drop = byId("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // a picture dropped beside would replace the page
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") give(event.dataTransfer.files);
  });
}
document.addEventListener("paste", (event) => give(event.clipboardData.files));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  say("");
  square.write(form.elements, whole.checked);
  const request = new XMLHttpRequest(), bar = byId("sending"), go = byId("go");
  const end = (words) => {
    bar.hidden = true;
    go.disabled = false;
    say(words);
  };
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.addEventListener("progress", (sent) => (byId("sent").value = sent.loaded / sent.total));
  request.addEventListener("load", () => {
    if (request.response?.address) location.assign(request.response.address);
    else end(request.response?.error || form.dataset.lost);
  });
  request.addEventListener("error", () => end(form.dataset.lost));
  go.disabled = true;
  bar.hidden = false;
  request.send(new FormData(form));
});

// Back from the result, by the browser's own button, the form shall be ready again
addEventListener("pageshow", () => {
  byId("go").disabled = false;
  byId("sending").hidden = true;
  const sample = form.querySelector("[name=sample]:checked");
  if (sample) sample.dispatchEvent(new Event("change"));
  else if (input.files[0]) take(input.files[0]);
});
