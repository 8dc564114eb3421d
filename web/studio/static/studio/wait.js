// Asks how far the picture is, twice a second, and opens it when it is done.
const LEAST = 8; // percent, before which nothing is told of the time
const box = document.getElementById("wait"), bar = document.getElementById("progress");
const words = document.getElementById("words");
let since = 0, first = 0; // when a first part was seen to be done, and how many percent it was
let latest = 0, end = 0; // how much was done last, and when all of it will probably be
let leaving = false; // by "cancel", whose answer a reload would replace
addEventListener("submit", () => (leaving = true));

// How long it takes yet, once that can be told, in rough steps. The first part is left out: it takes longer.
function rest(percent) {
  const now = performance.now();
  if (!since && percent) [since, first] = [now, percent];
  if (percent > latest && percent - first >= LEAST) end = now + ((100 - percent) * (now - since)) / (percent - first);
  latest = percent;
  const seconds = (end - now) / 1000, step = seconds > 30 ? 10 : 5;
  return seconds > 5 ? ` ${box.dataset.more.replace("{s}", step * Math.ceil(seconds / step))}` : "";
}

async function ask() {
  try {
    const answer = await fetch(box.dataset.state, { cache: "no-store" });
    if (leaving) return;
    if (answer.status === 404) return location.reload(); // deleted, or expired: the page says so
    if (!answer.ok) throw new Error(answer.status);
    const now = await answer.json();
    if (now.state === "done" || now.state === "failed") return location.reload();
    const told = now.words + (now.state === "running" ? rest(now.percent) : "");
    if (words.textContent !== told) words.textContent = told;
    if (now.state === "running") bar.value = now.percent;
    else bar.removeAttribute("value"); // waiting: the bar only moves
    setTimeout(ask, 400);
  } catch {
    words.textContent = box.dataset.lost;
    setTimeout(ask, 3000);
  }
}
ask();
