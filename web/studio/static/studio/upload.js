// A form that sends a picture: chosen, dropped or pasted; looked at before, sent with a bar and a way to stop.
// How the files begin that the page may take: JPEG, PNG, GIF, WebP, TIFF in both byte orders, AVIF and HEIC
const KNOWN = [/^\xff\xd8/, /^\x89PNG/, /^GIF8/, /^RIFF....WEBP/s, /^II[*+]\0/, /^MM\0[*+]/, /^....ftyp/s];

// Puts files into the input, as if they had been chosen there
export function give(input, files) {
  if (!files.length) return;
  const one = new DataTransfer();
  one.items.add(files[0]);
  input.files = one.files;
  input.dispatchEvent(new Event("change"));
}

// Takes what is dropped or pasted anywhere on the page
export function receive(input, place) {
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

// Sends the form, and opens the page of its picture; `say` takes the words for what went wrong
export function send(form, say) {
  const request = new XMLHttpRequest(), box = form.querySelector(".sending"), go = form.querySelector(".go button");
  const stop = () => request.abort();
  const end = (words = "") => {
    box.hidden = true;
    go.disabled = false;
    box.querySelector("button").removeEventListener("click", stop);
    say(words);
  };
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.addEventListener("progress", (sent) => (box.querySelector("progress").value = sent.loaded / sent.total));
  request.addEventListener("load", () => {
    if (request.response?.address) location.assign(request.response.address);
    else end(request.response?.error || form.dataset.lost);
  });
  request.addEventListener("error", () => end(form.dataset.lost));
  request.addEventListener("abort", () => end());
  addEventListener("pagehide", () => end(), { once: true }); // on the way back the form shall be ready again
  box.querySelector("button").addEventListener("click", stop);
  box.querySelector("progress").value = 0;
  go.disabled = true;
  box.hidden = false;
  request.send(new FormData(form));
}
