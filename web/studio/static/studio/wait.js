// Asks how far the picture is, twice a second, and opens it when it is done.
const box = document.getElementById("wait"), bar = document.getElementById("progress");
const words = document.getElementById("words");
let leaving = false; // by "cancel", whose answer a reload would replace
addEventListener("submit", () => (leaving = true));

async function ask() {
  try {
    const answer = await fetch(box.dataset.state, { cache: "no-store" });
    if (leaving) return;
    if (answer.status === 404) return location.reload(); // deleted, or expired: the page says so
    if (!answer.ok) throw new Error(answer.status);
    const now = await answer.json();
    if (now.state === "done" || now.state === "failed") return location.reload();
    if (words.textContent !== now.words) words.textContent = now.words;
    if (now.state === "running") bar.value = now.percent;
    else bar.removeAttribute("value"); // waiting: the bar only moves
    setTimeout(ask, 400);
  } catch {
    words.textContent = box.dataset.lost;
    setTimeout(ask, 3000);
  }
}
ask();
