// A square on a picture: moved and resized by mouse, touch and keyboard, in the picture's own pixels. The picture can
// be turned by quarters and looked at closely.
const SMALLEST = 16;
const FIRST = 0.6; // of the shorter side: the square that nobody has set yet, so that it can be taken hold of
const STILL = 4; // pixels of the screen: a pointer that moved less has clicked
const CLOSEST = 8; // times
const THUMBNAIL = 200; // pixels of the screen: a smaller picture could not be taken hold of

// `box` shows a part of `layer`, which is as much larger as one has zoomed, and bears the picture and the frame
export function crop({ box, layer, picture, frame, range, output, zoom, times }, changed) {
  let width = 0, height = 0, turns = 0, x = 0, y = 0, side = 0, most = Infinity;
  const pointers = new Map();
  let held = null; // what the pointer took: the frame, or a corner and the one across, and where
  let set = false; // whether somebody has set the square

  const shorter = () => Math.min(width, height);
  const largest = () => Math.min(shorter(), most);

  function draw() {
    frame.style.left = `${(100 * x) / width}%`;
    frame.style.top = `${(100 * y) / height}%`;
    frame.style.width = `${(100 * side) / width}%`;
    frame.style.height = `${(100 * side) / height}%`;
    range.value = side / shorter();
    zoom.max = Math.min(shorter() / side, CLOSEST); // the square stays in view
    output.textContent = `${Math.round(side)} × ${Math.round(side)}`;
    changed();
  }

  // The part of the picture that is seen has the square in its middle, as far as the picture goes
  function look() {
    const factor = Number(zoom.value), shown = 1 / factor;
    const start = (middle) => -100 * factor * Math.min(Math.max(middle - shown / 2, 0), 1 - shown);
    layer.style.width = layer.style.height = `${100 * factor}%`;
    layer.style.left = `${start((x + side / 2) / width)}%`;
    layer.style.top = `${start((y + side / 2) / height)}%`;
    times.textContent = `${factor.toFixed(1)} ×`;
  }

  function magnify(factor) {
    zoom.value = factor;
    look();
  }

  function move(left, top) {
    x = Math.min(Math.max(left, 0), width - side);
    y = Math.min(Math.max(top, 0), height - side);
    draw();
  }

  // Keeps the middle, or the corner across from the one that is pulled, where one is
  function resize(next, pulled = null) {
    let room = largest();
    if (pulled) {
      const across = pulled.right ? width - x : x + side, down = pulled.bottom ? height - y : y + side;
      room = Math.min(across, down, most);
    }
    next = Math.min(Math.max(next, Math.min(SMALLEST, shorter())), room);
    const rest = side - next;
    side = next;
    if (!pulled) move(x + rest / 2, y + rest / 2);
    else move(pulled.right ? x : x + rest, pulled.bottom ? y : y + rest);
  }

  function center(at) {
    move(at.x - side / 2, at.y - side / 2);
  }

  // The box takes the shape of the picture as it is turned
  function lay() {
    const { naturalWidth, naturalHeight } = picture;
    [width, height] = turns % 2 ? [naturalHeight, naturalWidth] : [naturalWidth, naturalHeight];
    box.style.setProperty("--ratio", width / height);
    box.style.setProperty("--wide", `${width * Math.max(1, THUMBNAIL / Math.max(width, height))}px`);
    picture.style.width = `${(100 * naturalWidth) / width}%`;
    picture.style.height = `${(100 * naturalHeight) / height}%`;
    picture.style.transform = `translate(-50%, -50%) rotate(${90 * turns}deg)`;
  }

  function reset() {
    turns = 0;
    lay();
    set = false;
    take(largest());
    magnify(1);
  }

  // A quarter clockwise; the square stays on what it was on
  function turn() {
    if (!width) return;
    turns = (turns + 1) % 4;
    [x, y] = [height - y - side, x];
    lay();
    draw();
    look();
  }

  function take(next) {
    side = next;
    move((width - side) / 2, (height - side) / 2);
  }

  const scale = () => width / layer.clientWidth; // picture pixels for one on the screen
  const position = (event) => {
    const edge = layer.getBoundingClientRect();
    return { x: (event.clientX - edge.left) * scale(), y: (event.clientY - edge.top) * scale() };
  };
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
    const at = position(event);
    set = true;
    if (!frame.contains(event.target)) center(at);
    const { corner } = event.target.dataset;
    if (pointers.size === 2) held = { apart: apart(), side };
    else if (corner) held = { right: corner.includes("right"), bottom: corner.includes("bottom"), from: at, side };
    else held = { x: at.x - x, y: at.y - y, from: at, still: frame.contains(event.target) };
  });

  box.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, event);
    const at = position(event);
    if (held.apart) return resize((held.side * apart()) / held.apart);
    if (held.side) {
      // As far as the pointer went outwards, in the mean of both directions
      const out = (at.x - held.from.x) * (held.right ? 1 : -1) + (at.y - held.from.y) * (held.bottom ? 1 : -1);
      return resize(held.side + out / 2, held);
    }
    if (Math.hypot(at.x - held.from.x, at.y - held.from.y) >= STILL * scale()) held.still = false;
    if (!held.still) move(at.x - held.x, at.y - held.y);
  });

  for (const kind of ["pointerup", "pointercancel"]) {
    box.addEventListener(kind, (event) => {
      const known = pointers.delete(event.pointerId);
      if (known && kind === "pointerup" && held?.still) center(held.from); // a click within the square
      if (held?.apart && pointers.size) {
        const [rest] = pointers.values(), from = position(rest);
        held = { x: from.x - x, y: from.y - y, from };
      } else if (known) held = null;
      if (known && !pointers.size) look();
    });
  }

  box.addEventListener("wheel", (event) => {
    if (!width || frame.hidden || !event.ctrlKey) return; // a trackpad's pinch comes with it, too
    event.preventDefault();
    magnify(Number(zoom.value) * 1.002 ** -event.deltaY);
  }, { passive: false });
  zoom.addEventListener("input", look);

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
      Home: () => take(largest()),
    };
    if (!(event.key in actions) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    set = true;
    actions[event.key]();
    look();
  });
  range.addEventListener("input", () => {
    set = true;
    resize(Number(range.value) * shorter());
    look();
  });

  const part = () => ({ left: x / width, top: y / height, side: side / shorter() });

  return {
    reset,
    turn,
    magnify,
    told: () => ({ ...part(), turns }),
    size: () => ({ width, height }),
    // A square that one sees to be one, where nobody has set it yet
    begin() {
      if (width && !set) take(Math.min(largest(), Math.max(FIRST * shorter(), Math.min(SMALLEST, shorter()))));
      set = true;
    },
    // The part that was once told
    place(told) {
      for (let left = told.turns ?? 0; left > 0; left -= 1) turn();
      set = true;
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
      fields.turns.value = width ? turns : "";
    },
  };
}
