/** The download worker: brings a model's files by range and hands them to the storage worker. */
import { LocalError } from "./errors";
import { Download, type Outside, type Sink, Stopped } from "./storage/fetching";
import { readOffers } from "./storage/offers";
import { Caller, type Port, serve } from "./storage/rpc";
import type { Progress, StoredModel } from "./storage/types";

const here = self as unknown as Port;
const TOLD_EVERY = 200;
let sink: Sink | null = null;
let running: { id: string; stop: AbortController } | null = null;
let latest: Progress | null = null;
let telling: ReturnType<typeof setTimeout> | null = null;
let told = -TOLD_EVERY;

const methods = {
  connect: (port: MessagePort) => {
    const storage = new Caller(port);
    sink = {
      write: (key, part, offset, data) => storage.call("write", [key, part, offset, data], [data]),
      digest: (key, part) => storage.call("digest", [key, part]),
      reset: (key, part) => storage.call("reset", [key, part]),
      finish: (key, verified) => storage.call("finish", [key, verified]),
    };
  },
  /** True when the model is whole, false when the download was stopped. */
  run: async (model: StoredModel, offersUrl: string): Promise<boolean> => {
    if (!sink || running) throw new LocalError("device_download_failed", "Another download is running here.", true);
    const stop = new AbortController();
    running = { id: model.id, stop };
    try {
      return await new Download(model, sink, outside(offersUrl), stop.signal).run();
    } catch (error) {
      if (error instanceof Stopped) return false;
      throw error;
    } finally {
      running = null;
    }
  },
  stop: (id: string) => {
    if (running?.id === id) running.stop.abort();
  },
};

function outside(offersUrl: string): Outside {
  return {
    fetch: (url, init) => fetch(url, init),
    offers: (signal) => readOffers(offersUrl, signal),
    online: () => navigator.onLine,
    sleep,
    now: () => performance.now(),
    random: Math.random,
    tell,
  };
}

/** Tells the page the latest, five times a second at most. */
function tell(progress: Progress): void {
  latest = progress;
  if (telling !== null) return;
  telling = setTimeout(
    () => {
      telling = null;
      told = performance.now();
      here.postMessage({ progress: latest });
    },
    Math.max(0, told + TOLD_EVERY - performance.now()),
  );
}

/** Waits; shorter when the network comes back meanwhile. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      self.removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    self.addEventListener("online", end);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

serve(here, methods, "device_download_failed");
