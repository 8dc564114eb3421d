// The share link: copied, or given to the system's own "share" where the browser has it.
const byId = (id) => document.getElementById(id);

byId("copy")?.addEventListener("click", async (event) => {
  const link = byId("link");
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
    event.target.textContent = event.target.dataset.copied;
  } catch {
    // not allowed here: it is selected, and Ctrl-C copies it
  }
});

const button = byId("send");
if (button && navigator.share) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.share({ title: document.title, url: button.dataset.link });
    } catch {
      // closed without sharing
    }
  });
}
