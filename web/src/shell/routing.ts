/** What the service worker does with a request: pure decisions. */

/** `shell`: the page itself; `asset`: a file of the build, whose name changes with its content; `network`: not ours. */
export type Way = "shell" | "asset" | "network";

/** What the server answers itself, also to a person who writes the address into the browser. */
const SERVER = /^(api|v1|ollama|upstream|metrics|livez|readyz|llamaproxws)(\/|$)/;

export interface Asked {
  method: string;
  url: string;
  /** `navigate` when the browser opens a page. */
  mode: string;
}

/**
 * The way of a request below `scope`, the folder that the app lives in, which ends with a slash. API calls, model files and
 * everything else that is not a file of the app goes to the network untouched and is never kept.
 */
export function wayOf({ method, url, mode }: Asked, scope: string): Way {
  if (method !== "GET" || !url.startsWith(scope)) return "network";
  const path = (url.slice(scope.length).split(/[?#]/, 1)[0] ?? "").toLowerCase();
  if (SERVER.test(path)) return "network";
  if (mode === "navigate") {
    // A model's page may have a dot in its address; files lie in the first folder or among the assets.
    const file = path.startsWith("assets/") || (path.includes(".") && !path.includes("/"));
    return file && path !== "index.html" ? "network" : "shell";
  }
  return path.startsWith("assets/") ? "asset" : "network";
}

/** Headers that make a page isolated, so that it may use threads. */
export const ISOLATING = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;

/** The worker that asks a person's own providers, and its policy: as the server's (`corral.surfaces.edge.middleware.REMOTE_CSP`). */
const REMOTE = /\/assets\/remote\.worker-[^/]*$/;
export const REMOTE_CSP =
  "default-src 'none'; script-src 'self'; connect-src https: http://localhost:* http://127.0.0.1:*";

/** The same answer with the headers of isolation, which a host of plain files does not send. Not for errors. */
export function isolated(answer: Response, url: string): Response {
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(ISOLATING)) headers.set(name, value);
  if (REMOTE.test(url)) headers.set("Content-Security-Policy", REMOTE_CSP);
  // The body is unpacked by now, and what was true of its packed form is not any more.
  for (const name of ["Content-Encoding", "Content-Length"]) headers.delete(name);
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}

/** Those of `names` that may go so that at most `most` are left, the oldest first. */
export const beyond = <T>(names: readonly T[], most: number): readonly T[] =>
  names.slice(0, Math.max(0, names.length - most));
