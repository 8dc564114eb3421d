// The result: to play with, side by side, or to look at closely. Where the system asks for less motion, side by side
// comes first.
import { start as closely } from "./closely.js";
import { start as hover } from "./hover.js";
import { start as scratch } from "./scratch.js";
import { start as scroll } from "./scroll.js";
import { start as slider } from "./slider.js";

const byId = (id) => document.getElementById(id);
const plays = { hover, scratch, scroll, slider };
const views = { play: byId("stage-box"), beside: byId("pair"), closely: byId("closely-box") };
const started = new Set();
byId("stage").style.aspectRatio = `${byId("show").dataset.width} / ${byId("show").dataset.height}`;

const starts = {
  play: () => plays[byId("show").dataset.play](byId("stage"), byId("pair").querySelector("img")),
  beside() {},
  closely() {
    for (const picture of views.closely.querySelectorAll("img")) picture.src = picture.dataset.src;
    closely(views.closely);
  },
};

function view(name) {
  for (const [other, box] of Object.entries(views)) {
    box.hidden = other !== name;
    byId(other).setAttribute("aria-pressed", other === name);
  }
  if (!started.has(name)) starts[name]();
  started.add(name);
}

for (const name in views) byId(name).addEventListener("click", () => view(name));
view(matchMedia("(prefers-reduced-motion: reduce)").matches ? "beside" : "play");
