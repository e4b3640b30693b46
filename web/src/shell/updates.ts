/** The page's side of the service worker: registers it, and knows when a new version waits. */

/** `ready`: a new version is fetched and waits; `old`: another tab has changed to it. */
export type UpdateState = "none" | "ready" | "old";

/** Milliseconds between two looks for a new version. */
const EVERY = 60_000;

export class Updates {
  private state: UpdateState = "none";
  private registration: ServiceWorkerRegistration | null = null;
  private asked = 0;
  private wanted = false;
  private readonly watchers = new Set<() => void>();

  constructor(
    private readonly container: ServiceWorkerContainer | undefined,
    private readonly reload: () => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  snapshot = (): UpdateState => this.state;

  /** Registers the worker at `url`. Never rejects: without it the app only needs the network. */
  async register(url: string): Promise<void> {
    const { container } = this;
    if (!container) return;
    const had = container.controller !== null;
    container.addEventListener("controllerchange", () => {
      if (this.wanted) this.reload();
      else if (had) this.set("old");
    });
    let registration: ServiceWorkerRegistration | undefined;
    try {
      registration = await container.register(url);
    } catch {
      return;
    }
    // Where an extension or a test tool blocks workers, there may be neither a registration nor an error.
    if (!registration) return;
    this.registration = registration;
    this.asked = this.now();
    if (registration.waiting && container.controller) this.set("ready");
    registration.addEventListener("updatefound", () => this.follow(this.registration?.installing));
    this.follow(registration.installing);
  }

  /** Looks for a new version, at most once in `EVERY`. */
  look(): void {
    if (!this.registration || this.now() - this.asked < EVERY) return;
    this.asked = this.now();
    this.registration.update().catch(() => undefined);
  }

  /** Changes to the new version: the page is loaded again, whole. */
  apply(): void {
    const waiting = this.registration?.waiting;
    if (this.state === "old" || !waiting) {
      this.reload();
      return;
    }
    this.wanted = true;
    waiting.postMessage("activate");
  }

  private follow(installing: ServiceWorker | null | undefined): void {
    installing?.addEventListener("statechange", () => {
      // The first one of a browser replaces nothing.
      if (installing.state === "installed" && this.container?.controller) this.set("ready");
    });
  }

  private set(state: UpdateState): void {
    if (this.state === "old") return;
    this.state = state;
    for (const watcher of this.watchers) watcher();
  }
}
