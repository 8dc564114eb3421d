// Repairs: a line between before and after, which follows whoever drags.
import { amount } from "./amount.js";
import { keep } from "./keep.js";

// On the result's page also `before`, the picture before: there what is seen can be saved
export function start(stage, before) {
  const line = amount(stage);
  const follow = (event) => {
    const edge = stage.getBoundingClientRect();
    line.set((event.clientX - edge.left) / edge.width);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && follow(event));
  if (!before) return;
  keep(stage.querySelector(".over"), (pen, width, height) => {
    pen.beginPath();
    pen.rect(0, 0, Math.round(line.get() * width), height);
    pen.clip();
    pen.drawImage(before, 0, 0, width, height);
  });
}
