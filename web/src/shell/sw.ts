/** The service worker: the app's own files without a network, one version at a time. Built into `sw.js`. */
import { Offline, type Shell } from "./offline";
import { wayOf } from "./routing";

/** The part of ServiceWorkerGlobalScope that is used here (https://www.w3.org/TR/service-workers/). */
interface Scope {
  registration: { scope: string };
  clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(name: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(name: "fetch", listener: (event: Fetching) => void): void;
  addEventListener(name: "message", listener: (event: MessageEvent) => void): void;
}
interface Extendable {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}

/** Written in by the build (scripts/offline.ts). */
declare const SHELL: Shell;

const worker = globalThis as unknown as Scope;
const { scope } = worker.registration;
const offline = new Offline(SHELL, scope, caches, (url, fresh) =>
  fetch(url, { cache: fresh ? "no-cache" : "default", credentials: "same-origin" }),
);

worker.addEventListener("install", (event) => event.waitUntil(offline.install()));
worker.addEventListener("activate", (event) => event.waitUntil(offline.tidy().then(() => worker.clients.claim())));
worker.addEventListener("message", ({ data }) => {
  if (data === "activate") void worker.skipWaiting();
});
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const way = wayOf(request, scope);
  if (way === "shell") event.respondWith(offline.page());
  else if (way === "asset") event.respondWith(offline.asset(request.url));
});
