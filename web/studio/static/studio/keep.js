// What is seen of a result, at its own size, as a file: the button below the stage saves it.
import { labelled } from "./label.js";

// `paint(pen, width, height)` draws what lies over or under the stage's second picture
export function keep(after, paint) {
  document.getElementById("keep").addEventListener("click", async (event) => {
    const pen = document.createElement("canvas").getContext("2d");
    await after.decode();
    const width = (pen.canvas.width = after.naturalWidth), height = (pen.canvas.height = after.naturalHeight);
    pen.drawImage(after, 0, 0);
    paint(pen, width, height);
    const drawn = await new Promise((resolve) => pen.canvas.toBlob(resolve, "image/png"));
    const file = await labelled(drawn, await fetch(after.src));
    const download = event.target.dataset.name;
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it a moment later
  });
}
