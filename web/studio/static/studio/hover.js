// Spring and autumn: a mouse lifts the blur by being there, a finger by a tap, a key by Enter or in steps.
import { amount } from "./amount.js";

export function start(stage) {
  const blur = amount(stage);
  const turn = () => blur.set(blur.get() < 0.5 ? 1 : 0);
  stage.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && blur.set(1));
  stage.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && blur.set(0));
  stage.addEventListener("click", (event) => event.pointerType !== "mouse" && turn());
  stage.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    turn();
  });
}
