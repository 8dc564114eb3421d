// One number from 0 (before) to 1 (after) on a stage: the style sheet draws it, keys and screen readers share it.
export function amount(stage, { down = -1, changed = () => {} } = {}) {
  let value = Number(stage.getAttribute("aria-valuenow")) / 100;

  function set(next, quiet = false) {
    value = Math.min(Math.max(next, 0), 1);
    stage.style.setProperty("--amount", value.toFixed(4));
    stage.setAttribute("aria-valuenow", Math.round(100 * value));
    if (!quiet) changed(value);
  }

  stage.addEventListener("keydown", (event) => {
    const steps = {
      ArrowRight: 0.05, ArrowLeft: -0.05, ArrowDown: 0.05 * down, ArrowUp: -0.05 * down,
      PageDown: 0.25 * down, PageUp: -0.25 * down, Home: -1, End: 1,
    };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    set(value + steps[event.key]);
  });
  set(value, true);
  return { set, get: () => value };
}
