// Day and night: the first picture lies on a canvas; a soft brush takes it off, and the other one shows below.
import { keep } from "./keep.js";

const BRUSH = 0.075; // its radius, of the picture's side

export function start(stage, before) {
  const canvas = stage.querySelector("canvas"), ring = stage.querySelector(".ring");
  const told = document.getElementById("share-uncovered");
  const pen = canvas.getContext("2d"), side = canvas.width;
  const small = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  small.canvas.width = small.canvas.height = 32;
  let last = null, cursor = { x: 0.5, y: 0.5 }, timer = 0;

  function tell() {
    small.clearRect(0, 0, 32, 32);
    small.drawImage(canvas, 0, 0, 32, 32);
    const pixels = small.getImageData(0, 0, 32, 32).data;
    let left = 0;
    for (let k = 3; k < pixels.length; k += 4) left += pixels[k];
    told.textContent = `${Math.round(100 - left / 1024 / 2.55)} % ${told.dataset.words}`;
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(tell, 300); // a screen reader hears where a stroke ended, not each step
  }

  function dab(x, y) {
    const radius = BRUSH * side, soft = pen.createRadialGradient(x, y, 0, x, y, radius);
    soft.addColorStop(0, "rgba(0,0,0,1)");
    soft.addColorStop(0.6, "rgba(0,0,0,.8)");
    soft.addColorStop(1, "rgba(0,0,0,0)");
    pen.fillStyle = soft;
    pen.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  }

  function stroke(from, to) {
    pen.globalCompositeOperation = "destination-out";
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (BRUSH / 4)));
    for (let k = 1; k <= steps; k++) {
      dab(side * (from.x + ((to.x - from.x) * k) / steps), side * (from.y + ((to.y - from.y) * k) / steps));
    }
    later();
  }

  function cover() {
    pen.globalCompositeOperation = "source-over";
    pen.drawImage(before, 0, 0, side, side);
    later();
  }

  function uncover() {
    pen.clearRect(0, 0, side, side);
    later();
  }

  function point(event) {
    const edge = stage.getBoundingClientRect();
    return { x: (event.clientX - edge.left) / edge.width, y: (event.clientY - edge.top) / edge.height };
  }

  function place(at) {
    cursor = { x: Math.min(Math.max(at.x, 0), 1), y: Math.min(Math.max(at.y, 0), 1) };
    stage.style.setProperty("--x", cursor.x);
    stage.style.setProperty("--y", cursor.y);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    place((last = point(event)));
    stroke(last, last);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!last || !stage.hasPointerCapture(event.pointerId)) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) {
      const next = point(part);
      stroke(last, next);
      last = next;
    }
    place(last);
  });
  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, () => (last = null));

  stage.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way) {
      const from = cursor;
      place({ x: from.x + 0.05 * way[0], y: from.y + 0.05 * way[1] });
      if (!event.shiftKey) stroke(from, cursor);
    } else if (event.key === "Home") cover();
    else if (event.key === "End") uncover();
    else return;
    event.preventDefault();
  });
  document.getElementById("cover").addEventListener("click", cover);
  document.getElementById("uncover").addEventListener("click", uncover);

  keep(stage.querySelector("img"), (whole, width, height) => whole.drawImage(canvas, 0, 0, width, height));

  place(cursor);
  ring.hidden = false;
  before.decode().then(cover);
}
