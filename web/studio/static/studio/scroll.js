// Summer and winter: the stage is a box that scrolls; how far it is scrolled is how far the season has come.
import { amount } from "./amount.js";

export function start(stage) {
  const room = () => stage.scrollHeight - stage.clientHeight;
  const season = amount(stage, { down: 1, changed: (value) => (stage.scrollTop = value * room()) });
  stage.addEventListener("scroll", () => room() && season.set(stage.scrollTop / room(), true), { passive: true });
}
