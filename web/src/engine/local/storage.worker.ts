/** The storage worker: files and records of the models on this device. Its calls come from the page and from the download worker. */
import { type Port, serve } from "./storage/rpc";
import { Store } from "./storage/store";
import type { Offer, Problem } from "./storage/types";

const here = self as unknown as Port;
let started: Promise<Store> | null = null;

/** Tried again after a failure: storage may be had later. */
function store(): Promise<Store> {
  started ??= Store.start().catch((error) => {
    started = null;
    throw error;
  });
  return started;
}

const methods = {
  all: async () => (await store()).all(),
  offers: async () => (await store()).offers(),
  keepOffers: async (offers: Offer[]) => (await store()).keepOffers(offers),
  begin: async (offer: Offer) => (await store()).begin(offer),
  want: async (key: string, wanted: boolean, problem: Problem | null) => (await store()).want(key, wanted, problem),
  remove: async (id: string) => (await store()).remove(id),
  files: async (id: string) => (await store()).files(id),
  release: async () => {
    const found = await store();
    found.release();
    await found.sweep();
  },
  write: async (key: string, part: number, offset: number, data: ArrayBuffer) =>
    (await store()).write(key, part, offset, data),
  digest: async (key: string, part: number) => (await store()).digest(key, part),
  reset: async (key: string, part: number) => (await store()).reset(key, part),
  finish: async (key: string, verified: "sha256" | "size") => (await store()).finish(key, verified),
  connect: (port: MessagePort) => serve(port, methods, "device_storage_failed"),
};

serve(here, methods, "device_storage_failed");
