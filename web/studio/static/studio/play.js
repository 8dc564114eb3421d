// The result: to play with, or side by side. Where the system asks for less motion, side by side comes first.
import { start as hover } from "./hover.js";
import { start as scratch } from "./scratch.js";
import { start as scroll } from "./scroll.js";
import { start as slider } from "./slider.js";

const byId = (id) => document.getElementById(id);
const plays = { hover, scratch, scroll, slider };
const buttons = { play: byId("play"), beside: byId("beside") };
let started = false;
byId("stage").style.aspectRatio = `${byId("show").dataset.width} / ${byId("show").dataset.height}`;

function view(name) {
  byId("pair").hidden = name === "play";
  byId("stage-box").hidden = name !== "play";
  for (const [other, button] of Object.entries(buttons)) button.setAttribute("aria-pressed", other === name);
  if (name === "play" && !started) {
    started = true;
    plays[byId("show").dataset.play](byId("stage"), byId("pair").querySelector("img"));
  }
}

for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", () => view(name));
view(matchMedia("(prefers-reduced-motion: reduce)").matches ? "beside" : "play");
