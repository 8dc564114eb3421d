// A form that sends a picture: chosen, dropped or pasted; looked at before, sent with a bar and a way to stop.
// How the files begin that the page may take: JPEG, PNG, GIF, WebP, TIFF in both byte orders, AVIF and HEIC
const KNOWN = [/^\xff\xd8/, /^\x89PNG/, /^GIF8/, /^RIFF....WEBP/s, /^II[*+]\0/, /^MM\0[*+]/, /^....ftyp/s];

// Puts files into the input, as if they had been chosen there
export function give(input, files) {
  if (!files.length) return;
  const all = new DataTransfer();
  for (const file of files) all.items.add(file);
  input.files = all.files;
  input.dispatchEvent(new Event("change"));
}

// Takes what is dropped or pasted anywhere on the page
export function receive(input, place) {
  input.multiple = true; // without this script a form takes one
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault(); // a picture dropped beside would replace the page
      place.classList.toggle("over", kind === "dragover");
      if (kind === "drop") give(input, event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => give(input, event.clipboardData.files));
}

// Why the page cannot take a file, in words; empty where it may
export async function unfit(file, form) {
  if (file.size > Number(form.dataset.most)) return form.dataset.tooLarge;
  const bytes = await file.slice(0, 12).arrayBuffer().catch(() => new ArrayBuffer(0)); // of a folder none
  const start = String.fromCharCode(...new Uint8Array(bytes));
  return KNOWN.some((kind) => kind.test(start)) ? "" : form.dataset.unknown;
}

// Which of the files the page may take, and why not the others, in words
export async function sorted(files, form) {
  const whys = await Promise.all(files.map((file) => unfit(file, form)));
  const words = files.map((file, n) => whys[n] && (files.length > 1 ? `${file.name}: ${whys[n]}` : whys[n]));
  return { fit: files.filter((_, n) => !whys[n]), words: words.filter(Boolean).join(" ") };
}

// Sends one body; what the server answers: an address, or an error, and after which seconds to try again
function post(form, body, request, told) {
  const { sending, sent, lost } = form.dataset;
  return new Promise((resolve) => {
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => told(loaded / total, `${sending} ${Math.round((100 * loaded) / total)} %`));
    request.upload.addEventListener("load", () => told(1, sent)); // it may take a while to be read
    request.addEventListener("load", () => resolve(request.response ?? { error: lost }));
    request.addEventListener("error", () => resolve({ error: lost }));
    request.addEventListener("abort", () => resolve({}));
    request.send(body);
  });
}

const PATIENCE = 120; // seconds that a picture in a row waits for a place

// Sends the form, and after it `others`, one by one, each as a whole; then opens the page of the first picture.
// `say` takes the words for what went wrong, and how many were taken nevertheless.
export async function send(form, say, others = []) {
  const box = form.querySelector(".sending"), go = form.querySelector(".go button"), { picture } = form.elements;
  const bar = box.querySelector("progress"), words = box.querySelector(".told"), button = box.querySelector("button");
  const taken = [], refused = [];
  let request = null, stopped = false, wake = () => {};
  const stop = () => {
    stopped = true;
    request?.abort();
    wake();
  };
  const ready = () => {
    box.hidden = true;
    go.disabled = false;
  };
  const bodies = [null, ...others].map((file) => {
    const body = new FormData(form);
    if (file) for (const name of ["left", "top", "side", "turns", "sample"]) body.delete(name);
    if (file ?? picture.files[0]) body.set("picture", file ?? picture.files[0]);
    return body;
  });
  addEventListener("pagehide", ready, { once: true }); // on the way back the form shall be ready again
  button.addEventListener("click", stop);
  go.disabled = true;
  box.hidden = false;
  for (const [n, body] of bodies.entries()) {
    const told = (share, what) => {
      bar.value = share;
      words.textContent = bodies.length > 1 ? `${n + 1} / ${bodies.length} · ${what}` : what;
    };
    for (;;) {
      told(0, `${form.dataset.sending} 0 %`);
      const { address, error, wait } = await post(form, body, (request = new XMLHttpRequest()), told);
      if (stopped) break;
      if (address) taken.push(address);
      else if (bodies.length > 1 && wait && wait < PATIENCE) {
        told(0, error);
        await new Promise((resolve) => setTimeout((wake = resolve), 1000 * wait));
        if (!stopped) continue;
      } else refused.push(bodies.length > 1 ? `${body.get("picture").name}: ${error ?? form.dataset.lost}` : error ?? form.dataset.lost);
      break;
    }
    if (stopped) break;
  }
  button.removeEventListener("click", stop);
  if (taken.length && !refused.length && !stopped) return location.assign(taken[0]);
  ready();
  say(refused.join(" "), taken.length);
}
