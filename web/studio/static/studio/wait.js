// Asks how far the picture is, twice a second, and opens it when it is done.
const box = document.getElementById("wait"), bar = document.getElementById("progress");
const words = document.getElementById("words");
let since = 0, first = 0; // when the networks were first seen at work, and at how many percent
let leaving = false; // by "cancel", whose answer a reload would replace
addEventListener("submit", () => (leaving = true));

// How long it takes yet, once that can be told: in steps of five seconds, so that it does not flicker
function rest(percent) {
  const now = performance.now();
  if (!since) [since, first] = [now, percent];
  if (now - since < 3000 || percent <= first) return "";
  const seconds = ((100 - percent) * (now - since)) / (percent - first) / 1000;
  return seconds > 5 ? ` ${box.dataset.more.replace("{s}", 5 * Math.ceil(seconds / 5))}` : "";
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
