// What would help the picture: the networks are asked with its middle alone, before anything is changed.
const SEEN = 1024, LEAST = 32; // pixels of a side
let asked = 0;

// Says in `line` what would help, and returns the tasks that the picture does not suit, with why.
export async function advise(picture, form, line) {
  const turn = ++asked;
  line.textContent = "";
  const sides = [picture.naturalWidth, picture.naturalHeight];
  if (Math.min(...sides) < LEAST) return {};
  const [width, height] = sides.map((side) => Math.min(side, SEEN));
  // JPEG's blocks begin at multiples of 8
  const [left, top] = sides.map((side) => Math.floor(Math.max(side - SEEN, 0) / 16) * 8);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(picture, left, top, width, height, 0, 0, width, height);
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.append("picture", await new Promise((resolve) => canvas.toBlob(resolve, "image/png")), "middle.png");
  try {
    const options = { method: "POST", body, headers: { Accept: "application/json" } };
    const { words, misfits } = await (await fetch(form.dataset.suggest, options)).json();
    if (turn !== asked) return {}; // another picture was chosen meanwhile
    if (words) line.textContent = `${line.dataset.title} ${words}`;
    return misfits || {};
  } catch {
    return {}; // without a suggestion the page works as well
  }
}
