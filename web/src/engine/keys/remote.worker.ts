/**
 * The only part of Corral that talks to a person's own providers. Its file is served with a policy of its own (`edge/middleware.py`,
 * `shell/routing.ts`), which knows it by its name: `remote.worker-`. The page's own policy lets nothing out.
 */
import { pausing } from "../recovery";
import { PATIENCE } from "./calling";
import { Host } from "./host";
import type { Command, Report } from "./types";
import { Vault } from "./vault";
import { IndexedVault } from "./vault-store";

const ours = self.location.origin;
const host = new Host({
  vault: new Vault(new IndexedVault(), ours),
  ours,
  around: {
    fetch: (url, options) => fetch(url, options),
    now: () => performance.now(),
    sleep: pausing,
    patience: PATIENCE,
  },
  send: (report: Report) => self.postMessage(report),
});

self.addEventListener("message", ({ data }: MessageEvent<Command>) => void host.take(data));
