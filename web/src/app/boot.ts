import { showScheme } from "../ui/scheme";

// The page's own first picture is painted before the app begins to work; what the app consists of is on its way meanwhile.

/** Milliseconds after which the app begins, painted or not: a page out of sight is not painted at all. */
const PATIENCE = 250;

let begun = false;
function start(): void {
  if (begun) return;
  begun = true;
  import("./main").catch(() => {
    const again = document.createElement("a");
    again.href = location.href;
    again.textContent = "Try again";
    document.querySelector(".boot p")?.replaceChildren("Corral could not be loaded. ", again);
  });
}

// What was chosen for all pages holds for the first picture too.
showScheme();
const boot = document.querySelector<HTMLElement>(".boot");
if (boot) boot.dataset.collapsed = localStorage.getItem("corral.sidebar.collapsed") ?? "false";

const painted =
  typeof PerformanceObserver !== "undefined" && PerformanceObserver.supportedEntryTypes?.includes("paint");
if (document.hidden || !painted) start();
else {
  new PerformanceObserver(start).observe({ type: "paint", buffered: true });
  setTimeout(start, PATIENCE);
}
