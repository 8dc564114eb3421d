// What was chosen stays while the visitor goes on and comes back, loads the page again, or changes the language.
const MOVING = "language", ASIDE = "/picture-aside"; // in the browser's own stores

// Of this page's place in the browser's history
const place = history.state?.place ?? `choice-${Math.random()}`;
history.replaceState({ place }, "");

// Where the language changes, the same page comes at another place
export function keepChoice(choice, moving) {
  sessionStorage.setItem(moving ? MOVING : place, JSON.stringify(choice));
}

// What was chosen when this page was left; null for a new one
export function lastChoice() {
  const choice = sessionStorage.getItem(MOVING) ?? sessionStorage.getItem(place);
  sessionStorage.removeItem(MOVING);
  return JSON.parse(choice);
}

// A file waits in the browser's cache until the page has been loaded in the other language
export async function putAside(file) {
  const cache = await caches.open(ASIDE);
  await cache.put(ASIDE, new Response(file));
}

// The file that waits, and no trace of it; undefined where none does
export async function takeBack(name) {
  if (!window.caches) return undefined; // neither https nor this machine
  const answer = await caches.match(ASIDE), blob = await answer?.blob();
  await caches.delete(ASIDE);
  return blob && new File([blob], name, { type: blob.type });
}
