// Summer and winter: the stage is a box that scrolls; how far it is scrolled is how far the season has come.
import { amount } from "./amount.js";
import { keep } from "./keep.js";

const SOFT = 0.24; // of the height: where one season passes into the other, as in the style sheet

export function start(stage, before) {
  const room = () => stage.scrollHeight - stage.clientHeight;
  const season = amount(stage, { down: 1, changed: (value) => (stage.scrollTop = value * room()) });
  stage.addEventListener("scroll", () => room() && season.set(stage.scrollTop / room(), true), { passive: true });
  keep(stage.querySelector(".over"), (pen, width, height) => {
    const edge = season.get() * (1 + SOFT) - SOFT, soft = pen.createLinearGradient(0, edge * height, 0, (edge + SOFT) * height);
    soft.addColorStop(0, "#000");
    soft.addColorStop(1, "transparent");
    pen.globalCompositeOperation = "destination-in";
    pen.fillStyle = soft;
    pen.fillRect(0, 0, width, height);
    pen.globalCompositeOperation = "destination-over";
    pen.drawImage(before, 0, 0, width, height);
  });
}
