// The strip of the last results: as it is now, and again while more of them are at work.
export async function renew() {
  const answer = await fetch(location.pathname, { cache: "no-store" });
  const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("mine");
  if (now) document.getElementById("mine").replaceWith(now);
  later();
}

let timer = 0;

function later() {
  clearTimeout(timer);
  if (document.querySelector("#mine [data-waiting]")) timer = setTimeout(() => renew().catch(later), 2000);
}
later();
