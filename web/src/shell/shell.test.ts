import { describe, expect, it, vi } from "vitest";
import { Offline, type Shell } from "./offline";
import { beyond, REMOTE_CSP, wayOf } from "./routing";
import { Updates } from "./updates";

const SCOPE = "https://corral.example/app/";

describe("wayOf", () => {
  const ask = (path: string, mode = "navigate", method = "GET") => wayOf({ method, url: SCOPE + path, mode }, SCOPE);

  it.each(["", "index.html", "models", "c/abc?x=1", "models/qwen2.5-7b", "#/compatibility", "apix"])(
    "opens the page for %s",
    (path) => expect(ask(path)).toBe("shell"),
  );

  it.each([
    "api",
    "api/models",
    "v1/models",
    "ollama/api/tags",
    "upstream/m/props",
    "metrics",
    "livez",
    "icon.svg",
    "assets/a.js",
  ])("leaves %s to the network when a person opens it", (path) => expect(ask(path)).toBe("network"));

  it("answers files of the build only, and reads only", () => {
    expect(ask("assets/index-1.js", "cors")).toBe("asset");
    expect(ask("assets/index-1.js", "cors", "POST")).toBe("network");
    expect(ask("", "navigate", "POST")).toBe("network");
    expect(ask("api/device/models/cria/files/0", "cors")).toBe("network");
    expect(ask("models/cria.gguf", "cors")).toBe("network");
    expect(wayOf({ method: "GET", url: "https://corral.example/assets/a.js", mode: "cors" }, SCOPE)).toBe("network");
  });
});

it("beyond names the oldest", () => {
  expect(beyond(["a", "b", "c"], 2)).toEqual(["a"]);
  expect(beyond(["a"], 2)).toEqual([]);
});

/** The part of CacheStorage that is used, in memory. */
class Store {
  readonly caches = new Map<string, Map<string, Response>>();
  open = async (name: string) => {
    const kept = this.caches.get(name) ?? new Map<string, Response>();
    this.caches.set(name, kept);
    return {
      match: async (url: string) => kept.get(url)?.clone(),
      put: async (url: string, answer: Response) => void kept.set(url, answer),
      keys: async () => [...kept.keys()],
      delete: async (url: string) => kept.delete(url),
    };
  };
  match = async (url: string) =>
    [...this.caches.values()]
      .map((kept) => kept.get(url))
      .find(Boolean)
      ?.clone();
  keys = async () => [...this.caches.keys()];
  delete = async (name: string) => this.caches.delete(name);
}

async function shellOf(page: string, files: string[]): Promise<Shell> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(page)));
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { version: page.replaceAll(" ", "-"), page: hex, files };
}

function site(files: Record<string, string>) {
  const asked: string[] = [];
  const get = async (url: string) => {
    asked.push(url);
    const text = files[url.slice(SCOPE.length)];
    return text === undefined
      ? new Response("", { status: 404 })
      : new Response(text, { headers: { "Content-Type": "text/javascript", "Content-Encoding": "gzip" } });
  };
  return { asked, get };
}

const keep = (shell: Shell, store: Store, get: (url: string) => Promise<Response>) =>
  new Offline(shell, SCOPE, store as unknown as CacheStorage, get);

describe("Offline", () => {
  it("keeps a version whole, with the headers of isolation", async () => {
    const store = new Store();
    const { get } = site({ "": "page one", "assets/a.js": "a" });
    const offline = keep(await shellOf("page one", ["assets/a.js"]), store, get);
    await offline.install();
    const gone = keep(await shellOf("page one", ["assets/a.js"]), store, () => Promise.reject(new Error("offline")));
    const page = await gone.page();
    expect(await page.text()).toBe("page one");
    expect(page.headers.get("Cross-Origin-Embedder-Policy")).toBe("require-corp");
    expect(page.headers.get("Content-Encoding")).toBeNull();
    expect(await (await gone.asset(`${SCOPE}assets/a.js`)).text()).toBe("a");
  });

  it("gives the worker that asks providers its policy, and nothing else, as its host sends none", async () => {
    const store = new Store();
    const files = ["assets/remote.worker-1.js", "assets/a.js"];
    const { get } = site({ "": "page one", "assets/remote.worker-1.js": "r", "assets/a.js": "a" });
    const offline = keep(await shellOf("page one", files), store, get);
    await offline.install();
    const policies = files.map(async (file) =>
      (await offline.asset(SCOPE + file)).headers.get("Content-Security-Policy"),
    );
    expect(await Promise.all(policies)).toEqual([REMOTE_CSP, null]);
  });

  it.each([
    ["a file is missing", { "": "page one" }],
    ["the page is of another version", { "": "page two", "assets/a.js": "a" }],
  ])("keeps nothing when %s", async (_, files) => {
    const store = new Store();
    const offline = keep(await shellOf("page one", ["assets/a.js"]), store, site(files as Record<string, string>).get);
    await expect(offline.install()).rejects.toThrow();
    expect(await store.keys()).toEqual([]);
  });

  it("fetches only what is new, and keeps the version before for tabs that are open", async () => {
    const store = new Store();
    for (const page of ["one", "two", "three"]) {
      const { get, asked } = site({ "": page, "assets/same.js": "s", [`assets/${page}.js`]: page });
      const offline = keep(await shellOf(page, ["assets/same.js", `assets/${page}.js`]), store, get);
      await offline.install();
      await offline.tidy();
      expect(asked.includes(`${SCOPE}assets/same.js`)).toBe(page === "one");
    }
    expect(await store.keys()).toEqual(["corral-shell-two", "corral-shell-three"]);
  });

  it("keeps large parts when they are first used, not errors and not pages in their place", async () => {
    const store = new Store();
    const { get, asked } = site({ "assets/engine.wasm": "w" });
    const offline = keep(await shellOf("one", []), store, async (url) =>
      url.endsWith("lost.js") ? new Response("<html>", { headers: { "Content-Type": "text/html" } }) : get(url),
    );
    for (let time = 0; time < 2; time += 1) {
      expect((await offline.asset(`${SCOPE}assets/engine.wasm`)).status).toBe(200);
      expect((await offline.asset(`${SCOPE}assets/none.js`)).status).toBe(404);
      await offline.asset(`${SCOPE}assets/lost.js`);
    }
    expect(asked).toEqual([`${SCOPE}assets/engine.wasm`, `${SCOPE}assets/none.js`, `${SCOPE}assets/none.js`]);
    expect([...(store.caches.get("corral-parts")?.keys() ?? [])]).toEqual([`${SCOPE}assets/engine.wasm`]);
  });
});

class Registration extends EventTarget {
  waiting: { postMessage(data: string): void } | null = null;
  installing: (EventTarget & { state: string }) | null = null;
  update = vi.fn(async () => undefined);
}

function browser(controlled: boolean) {
  const registration = new Registration();
  const container = Object.assign(new EventTarget(), {
    controller: controlled ? {} : null,
    register: async () => registration,
  });
  const reload = vi.fn();
  let now = 0;
  const updates = new Updates(container as unknown as ServiceWorkerContainer, reload, () => now);
  const installed = (worker = Object.assign(new EventTarget(), { state: "installing" })) => {
    registration.installing = worker;
    registration.dispatchEvent(new Event("updatefound"));
    worker.state = "installed";
    worker.dispatchEvent(new Event("statechange"));
  };
  return { registration, container, reload, updates, installed, wait: (time: number) => (now += time) };
}

describe("Updates", () => {
  it("says nothing of the first version", async () => {
    const { updates, installed, container } = browser(false);
    await updates.register("sw.js");
    installed();
    container.dispatchEvent(new Event("controllerchange"));
    expect(updates.snapshot()).toBe("none");
  });

  it("offers a new version and loads the page again once it is in charge", async () => {
    const { updates, installed, registration, container, reload } = browser(true);
    await updates.register("sw.js");
    installed();
    expect(updates.snapshot()).toBe("ready");
    registration.waiting = { postMessage: vi.fn() };
    updates.apply();
    expect(registration.waiting.postMessage).toHaveBeenCalledWith("activate");
    expect(reload).not.toHaveBeenCalled();
    container.dispatchEvent(new Event("controllerchange"));
    expect(reload).toHaveBeenCalledOnce();
  });

  it("does not take a page away when another tab has changed to the new version", async () => {
    const { updates, installed, container, reload } = browser(true);
    await updates.register("sw.js");
    installed();
    container.dispatchEvent(new Event("controllerchange"));
    expect(updates.snapshot()).toBe("old");
    expect(reload).not.toHaveBeenCalled();
    updates.apply();
    expect(reload).toHaveBeenCalledOnce();
  });

  it("looks for a new version once a minute at most", async () => {
    const { updates, registration, wait } = browser(true);
    updates.look();
    await updates.register("sw.js");
    updates.look();
    expect(registration.update).not.toHaveBeenCalled();
    wait(60_001);
    updates.look();
    updates.look();
    expect(registration.update).toHaveBeenCalledOnce();
  });

  it("lives without a service worker", async () => {
    const updates = new Updates(undefined, vi.fn());
    await updates.register("sw.js");
    updates.look();
    expect(updates.snapshot()).toBe("none");
  });
});
