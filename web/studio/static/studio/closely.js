// Looking closely: both pictures at one place and one size, from 100 % on. At 100 % a pixel of the result takes one
// pixel of the screen. They move together, by mouse, finger and key, side by side or one over the other.
const LARGEST = 16; // pixels of the screen for one of the picture

export function start(box) {
  const panes = [...box.querySelectorAll(".pane")], told = box.querySelector("output");
  const line = box.querySelector("#line"), over = box.querySelector("#over");
  const width = Number(box.dataset.width), height = Number(box.dataset.height);
  const dot = () => 1 / devicePixelRatio; // a pixel of the screen, in CSS pixels
  let zoom = 1, x = width / 2, y = height / 2; // what is in the middle, in pixels of the result
  const pointers = new Map();

  // Half of a pane, in pixels of the result
  const half = () => [panes[0].clientWidth, panes[0].clientHeight].map((side) => side / 2 / (zoom * dot()));

  function draw() {
    const scale = zoom * dot(), [across, down] = half();
    // No further than the picture's edges; a picture that is smaller than its pane stays in the middle
    x = width <= 2 * across ? width / 2 : Math.min(Math.max(x, across), width - across);
    y = height <= 2 * down ? height / 2 : Math.min(Math.max(y, down), height - down);
    for (const pane of panes) {
      const picture = pane.querySelector("img");
      pane.style.touchAction = height <= 2 * down ? "pan-y" : "none"; // nothing to move: a finger scrolls the page
      picture.style.width = `${width * scale}px`;
      picture.style.height = `${height * scale}px`;
      picture.style.transform = `translate(${(across - x) * scale}px, ${(down - y) * scale}px)`;
    }
    told.textContent = `${Math.round(100 * zoom)} %`;
  }

  // `at`: a place in a pane, from its middle in CSS pixels, that stays where it is
  function resize(next, at = [0, 0]) {
    next = Math.min(Math.max(next, 1), LARGEST);
    const shift = 1 / (zoom * dot()) - 1 / (next * dot());
    x += at[0] * shift;
    y += at[1] * shift;
    zoom = next;
    draw();
  }

  function move(across, down) {
    x -= across / (zoom * dot());
    y -= down / (zoom * dot());
    draw();
  }

  // The middle of the fingers, from the pane's middle, and how far they are apart
  function grasp(pane) {
    const points = [...pointers.values()], edge = pane.getBoundingClientRect();
    const mean = (name) => points.reduce((sum, point) => sum + point[name], 0) / points.length;
    const [a, b = a] = points;
    const at = [mean("clientX") - edge.left - edge.width / 2, mean("clientY") - edge.top - edge.height / 2];
    return { at, apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) };
  }

  for (const pane of panes) {
    pane.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pane.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
    });
    pane.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) return;
      const before = grasp(pane);
      pointers.set(event.pointerId, event);
      const now = grasp(pane);
      move(now.at[0] - before.at[0], now.at[1] - before.at[1]);
      if (before.apart && now.apart) resize((zoom * now.apart) / before.apart, now.at);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      pane.addEventListener(kind, (event) => pointers.delete(event.pointerId));
    }
    pane.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        pointers.set("wheel", event);
        const { at } = grasp(pane);
        pointers.delete("wheel");
        resize(zoom * 1.2 ** -Math.sign(event.deltaY), at);
      },
      { passive: false },
    );
  }

  box.querySelector(".panes").addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 200 : 40;
    const actions = {
      ArrowLeft: () => move(step, 0),
      ArrowRight: () => move(-step, 0),
      ArrowUp: () => move(0, step),
      ArrowDown: () => move(0, -step),
      "+": () => resize(2 * zoom),
      "=": () => resize(2 * zoom),
      "-": () => resize(zoom / 2),
      _: () => resize(zoom / 2),
      Home: () => resize(1),
    };
    if (!(event.key in actions) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
  });
  for (const button of box.querySelectorAll("[data-times]")) {
    button.addEventListener("click", () => resize(zoom * Number(button.dataset.times)));
  }

  // One over the other: left of the line the picture before, right of it the one after
  const lay = () => {
    box.classList.toggle("over", over.checked);
    line.hidden = !over.checked;
    box.style.setProperty("--amount", line.value);
    draw();
  };
  for (const control of [over, line]) control.addEventListener("input", lay);
  addEventListener("resize", draw);
  lay();
}
