// The next picture, or several, for the same change: sent as soon as chosen, dropped or pasted.
import { renew } from "./strip.js";
import { receive, send, sorted } from "./upload.js";

const form = document.getElementById("next"), input = form.elements.picture, wrong = form.querySelector(".wrong");

function say(words) {
  wrong.textContent = words;
  if (words) wrong.scrollIntoView({ block: "center" }); // where the eye is
}

async function take() {
  const chosen = input.files, { fit, words } = await sorted([...chosen], form);
  if (input.files !== chosen) return; // meanwhile another one was chosen
  say(words);
  if (words || !fit.length) input.value = ""; // of several, all are chosen anew: none is left out unseen
  else send(form, (why, taken) => (say(why), taken && renew()), fit.slice(1));
}

receive(input, form);
input.addEventListener("change", take);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  take();
});
