/** Where the choice is kept; the names are Mantine's, whose parts read the same. */
const PLACE = "mantine-color-scheme-value";
const SCHEMES = ["auto", "light", "dark"] as const;
export type Scheme = (typeof SCHEMES)[number];

const dark = matchMedia("(prefers-color-scheme: dark)");
const watchers = new Set<() => void>();

/** What was chosen last; without a choice it is as the system. */
export function scheme(): Scheme {
  const kept = localStorage.getItem(PLACE);
  return SCHEMES.find((one) => one === kept) ?? "auto";
}

/** What that comes to now. */
export function shade(): "light" | "dark" {
  const chosen = scheme();
  if (chosen !== "auto") return chosen;
  return dark.matches ? "dark" : "light";
}

function show(): void {
  document.documentElement.dataset.mantineColorScheme = shade();
  for (const watcher of watchers) watcher();
}

/** Chooses for this browser, and shows it. */
export function chooseScheme(chosen: Scheme): void {
  localStorage.setItem(PLACE, chosen);
  show();
}

/** Shows the page in its colours, and follows the system and the other tabs. */
export function showScheme(): void {
  show();
  dark.addEventListener("change", show);
  window.addEventListener("storage", ({ key }) => {
    if (key === PLACE || key === null) show();
  });
}

/** Calls `watcher` after each change, until the answer is called. */
export function watchScheme(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
