// A square on a picture: moved and resized by mouse, touch and keyboard, in the picture's own pixels.
const SMALLEST = 16;

export function crop(box, picture, frame, range, output, changed) {
  let width = 0, height = 0, x = 0, y = 0, side = 0, most = Infinity;
  const pointers = new Map();
  let held = null; // what the pointer took: "frame" or "grip", and where

  const shorter = () => Math.min(width, height);
  const largest = () => Math.min(shorter(), most);

  function draw() {
    frame.style.left = `${(100 * x) / width}%`;
    frame.style.top = `${(100 * y) / height}%`;
    frame.style.width = `${(100 * side) / width}%`;
    frame.style.height = `${(100 * side) / height}%`;
    range.value = side / shorter();
    output.textContent = `${Math.round(side)} × ${Math.round(side)}`;
    changed();
  }

  function move(left, top) {
    x = Math.min(Math.max(left, 0), width - side);
    y = Math.min(Math.max(top, 0), height - side);
    draw();
  }

  // Keeps the corner at the top left where asked, else the middle
  function resize(next, corner = false) {
    const room = corner ? Math.min(width - x, height - y, most) : largest();
    next = Math.min(Math.max(next, Math.min(SMALLEST, shorter())), room);
    const shift = corner ? 0 : (side - next) / 2;
    side = next;
    move(x + shift, y + shift);
  }

  function reset() {
    width = picture.naturalWidth;
    height = picture.naturalHeight;
    // A thumbnail could not be taken hold of
    picture.style.width = Math.max(width, height) < 200 ? `${(200 * width) / Math.max(width, height)}px` : "";
    side = largest();
    move((width - side) / 2, (height - side) / 2);
  }

  const scale = () => width / box.clientWidth; // picture pixels for one on the screen
  const apart = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };

  box.addEventListener("pointerdown", (event) => {
    if (!width || event.button) return;
    event.preventDefault();
    frame.focus({ preventScroll: true });
    try {
      box.setPointerCapture(event.pointerId);
    } catch {
      // gone already
    }
    pointers.set(event.pointerId, event);
    const edge = box.getBoundingClientRect();
    const at = { x: (event.clientX - edge.left) * scale(), y: (event.clientY - edge.top) * scale() };
    if (!frame.contains(event.target)) move(at.x - side / 2, at.y - side / 2);
    const grip = event.target !== frame && frame.contains(event.target);
    held = pointers.size === 2 ? { apart: apart(), side } : { grip, x: at.x - (grip ? side : x), y: at.y - y };
  });

  box.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, event);
    const edge = box.getBoundingClientRect();
    const at = { x: (event.clientX - edge.left) * scale(), y: (event.clientY - edge.top) * scale() };
    if (held.apart) resize((held.side * apart()) / held.apart);
    else if (held.grip) resize(at.x - held.x, true);
    else move(at.x - held.x, at.y - held.y);
  });

  for (const kind of ["pointerup", "pointercancel"]) {
    box.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      if (held?.apart && pointers.size) {
        const [rest] = pointers.values(), edge = box.getBoundingClientRect();
        held = { x: (rest.clientX - edge.left) * scale() - x, y: (rest.clientY - edge.top) * scale() - y };
      }
    });
  }

  frame.addEventListener("keydown", (event) => {
    const step = (event.shiftKey ? 0.1 : 0.01) * shorter();
    const actions = {
      ArrowLeft: () => move(x - step, y),
      ArrowRight: () => move(x + step, y),
      ArrowUp: () => move(x, y - step),
      ArrowDown: () => move(x, y + step),
      "+": () => resize(side + 2 * step),
      "=": () => resize(side + 2 * step),
      "-": () => resize(side - 2 * step),
      _: () => resize(side - 2 * step),
      Home: reset,
    };
    if (!(event.key in actions) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
  });
  range.addEventListener("input", () => resize(Number(range.value) * shorter()));

  const part = () => ({ left: x / width, top: y / height, side: side / shorter() });

  return {
    reset,
    part,
    // The part that was once told
    place(told) {
      resize(told.side * shorter());
      move(told.left * width, told.top * height);
    },
    side: () => side,
    // A square of at most so many pixels; the largest, where it was larger
    limit(pixels) {
      most = pixels;
      if (width) resize(Math.min(side, most));
    },
    clear() {
      width = 0;
    },
    // As parts of 1, for the server turns the picture upright by itself; empty is the whole picture or the middle
    write(fields, whole) {
      const set = width && !whole;
      for (const [name, value] of Object.entries(part())) fields[name].value = set ? value : "";
    },
  };
}
