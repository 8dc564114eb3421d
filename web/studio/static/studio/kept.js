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

// Files wait in the browser's cache until the page has been loaded in the other language
export async function putAside(files) {
  const cache = await caches.open(ASIDE);
  for (const [n, file] of files.entries()) await cache.put(`${ASIDE}-${n}`, new Response(file));
}

// The files that wait, and no trace of them
export async function takeBack(names = []) {
  if (!window.caches) return []; // neither https nor this machine
  const files = [];
  for (const [n, name] of names.entries()) {
    const answer = await caches.match(`${ASIDE}-${n}`), blob = await answer?.blob();
    if (blob) files.push(new File([blob], name, { type: blob.type }));
  }
  await caches.delete(ASIDE);
  return files;
}
