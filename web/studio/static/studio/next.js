// The next picture for the same change: sent as soon as it is chosen, dropped or pasted.
import { receive, send, unfit } from "./upload.js";

const form = document.getElementById("next"), input = form.elements.picture, wrong = form.querySelector(".wrong");

function say(words) {
  wrong.textContent = words;
  if (words) wrong.scrollIntoView({ block: "center" }); // where the eye is
}

async function take(file) {
  if (!file) return;
  const why = await unfit(file, form);
  if (input.files[0] !== file) return; // meanwhile another one was chosen
  say(why);
  if (why) input.value = "";
  else send(form, say);
}

receive(input, form);
input.addEventListener("change", () => take(input.files[0]));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  take(input.files[0]);
});
