// Repairs: a line between before and after, which follows whoever drags.
import { amount } from "./amount.js";

export function start(stage) {
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
}
