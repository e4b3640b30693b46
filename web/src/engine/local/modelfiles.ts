/** The models on this device, for the pages of one tab. One tab downloads at a time; the others see how far it is. */
import { LocalError } from "./errors";
import type { DeviceModel, DeviceUsage, ModelFiles } from "./files";
import { lack, merged } from "./storage/merge";
import { readOffers } from "./storage/offers";
import { Caller } from "./storage/rpc";
import { type Offer, type Problem, type Progress, type StoredModel, storedOf, sum } from "./storage/types";

const OFFERS = "/api/device/models";
const LOCK = "corral.device.download";
const CHANNEL = "corral.device";
const TOLD_EVERY = 200;
/** How often a download begins anew by itself because the model has changed on the server. */
const RENEWALS = 3;

type News = { kind: "changed" } | { kind: "progress"; progress: Progress } | { kind: "stop"; id: string };

interface Waiting {
  key: string;
  resolve: () => void;
  reject: (error: LocalError) => void;
}

export class DeviceFiles implements ModelFiles {
  private storage: { caller: Caller; worker: Worker } | null = null;
  private downloader: Caller | null = null;
  private offers: Offer[] = [];
  private records: StoredModel[] = [];
  private readonly progress = new Map<string, Progress>();
  private readonly listeners = new Set<(models: DeviceModel[]) => void>();
  private readonly tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
  private waiting: Waiting[] = [];
  private pumping = false;
  private renewals = 0;
  private telling: ReturnType<typeof setTimeout> | null = null;
  private told = 0;

  /** Lists the models. Absolute, since workers have another base. */
  private readonly offersUrl: string;

  /** `offers` lists the models: the server's list, or a file beside a static build. */
  constructor(offers = OFFERS) {
    this.offersUrl = new URL(offers, document.baseURI).href;
    this.tabs?.addEventListener("message", ({ data }) => this.hear(data as News));
    globalThis.addEventListener?.("online", () => void this.list().catch(() => undefined));
  }

  list = async (): Promise<DeviceModel[]> => {
    await this.readOffers();
    await this.reload();
    void this.pump();
    return this.models();
  };

  subscribe = (listener: (models: DeviceModel[]) => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  download = async (id: string): Promise<void> => {
    await this.readOffers();
    const offer = this.offers.find((one) => one.id === id);
    if (!offer) throw new LocalError("device_model_unknown", "The server does not offer this model.", false);
    if (offer.reason) throw new LocalError("device_model_unfit", offer.reason, false);
    const model = await this.store<StoredModel>("begin", offer);
    if (model.whole) return;
    this.renewals = 0;
    const problem = await this.lackOfRoom(model);
    if (problem) await this.store("want", model.key, false, problem);
    else void this.persist().catch(() => false);
    const settled = new Promise<void>((resolve, reject) => this.waiting.push({ key: model.key, resolve, reject }));
    await this.changed();
    void this.pump();
    return settled;
  };

  pause = (id: string): void => {
    void this.stop(id, (key) => this.store("want", key, false, null)).catch(() => undefined);
  };

  remove = async (id: string): Promise<void> => {
    await this.stop(id, () => Promise.resolve());
    await this.store("remove", id);
    await this.changed();
  };

  open = async (id: string): Promise<File[]> => {
    try {
      return await this.store<File[]>("files", id);
    } catch (error) {
      // What the browser removed is not listed any longer.
      await this.changed();
      throw error;
    }
  };

  usage = async (): Promise<DeviceUsage> => {
    const { quota = 0, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
    const persisted = (await navigator.storage?.persisted?.()) ?? false;
    await this.reload();
    const models = this.records.reduce((total, model) => total + storedOf(model), 0);
    return { quota, used: Math.max(usage, models), models, persisted };
  };

  persist = async (): Promise<boolean> => (await navigator.storage?.persist?.()) ?? false;

  /** Tells all tabs that the records are others now. */
  private async changed(): Promise<void> {
    this.tabs?.postMessage({ kind: "changed" } satisfies News);
    await this.reload();
  }

  private hear(news: News): void {
    if (news.kind === "progress") this.advance(news.progress);
    else if (news.kind === "stop") void this.downloader?.call("stop", [news.id]);
    else
      void this.reload()
        .then(() => this.pump())
        .catch(() => undefined);
  }

  /** What the server offers; without it, what it offered last. */
  private async readOffers(): Promise<void> {
    try {
      this.offers = await readOffers(this.offersUrl);
      await this.store("keepOffers", this.offers);
    } catch (error) {
      if ((error as LocalError).code !== "device_offline") throw error;
      if (this.offers.length === 0) this.offers = await this.store<Offer[]>("offers");
    }
  }

  private async reload(): Promise<StoredModel[]> {
    this.records = await this.store<StoredModel[]>("all");
    for (const key of this.progress.keys())
      if (!this.records.some((model) => model.key === key && model.wanted)) this.progress.delete(key);
    this.waiting = this.waiting.filter((one) => !this.settle(one));
    this.tell();
    return this.records;
  }

  /** Settles who waits for a download that is under way no more. */
  private settle({ key, resolve, reject }: Waiting): boolean {
    const model = this.records.find((one) => one.key === key);
    if (model?.wanted) return false;
    if (model?.problem) reject(new LocalError(model.problem.code, model.problem.message, true));
    else resolve();
    return true;
  }

  private models(): DeviceModel[] {
    return merged(this.offers, this.records, this.progress);
  }

  private advance(progress: Progress): void {
    this.progress.set(progress.key, progress);
    this.tell();
  }

  private tell(): void {
    if (this.listeners.size === 0 || this.telling !== null) return;
    this.telling = setTimeout(
      () => {
        this.telling = null;
        this.told = Date.now();
        const models = this.models();
        for (const listener of this.listeners) listener(models);
      },
      Math.max(0, this.told + TOLD_EVERY - Date.now()),
    );
  }

  /** Downloads what is wanted, one model after the other, once no other tab does. */
  private async pump(): Promise<void> {
    if (this.pumping || !this.next()) return;
    this.pumping = true;
    try {
      await alone(async () => {
        for (;;) {
          await this.reload();
          const next = this.next();
          if (!next) return;
          await this.bring(next);
          await this.changed();
        }
      });
    } catch {
      // The storage itself fails: whoever asks for anything hears of it.
    } finally {
      this.pumping = false;
    }
  }

  private next(): StoredModel | undefined {
    return this.records.find((model) => model.wanted && !model.problem);
  }

  private async bring(model: StoredModel): Promise<void> {
    try {
      if (await this.downloads().call<boolean>("run", [model, this.offersUrl])) return;
      await this.store("want", model.key, false, null);
    } catch (error) {
      await this.failed(model, error as LocalError);
    } finally {
      await this.store("release");
    }
  }

  private async failed(model: StoredModel, error: LocalError): Promise<void> {
    if (error.code === "device_version_gone" && this.renewals < RENEWALS) {
      this.renewals += 1;
      await this.readOffers().catch(() => undefined);
      const offer = this.offers.find((one) => one.id === model.id);
      if (offer && offer.version !== model.version && !offer.reason) {
        const fresh = await this.store<StoredModel>("begin", offer);
        for (const one of this.waiting) if (one.key === model.key) one.key = fresh.key;
        return;
      }
    }
    const { code, message } = error;
    await this.store("want", model.key, false, { code, message } satisfies Problem);
  }

  private async stop(id: string, then: (key: string) => Promise<unknown>): Promise<void> {
    for (const model of await this.reload()) if (model.id === id && !model.whole) await then(model.key);
    this.tabs?.postMessage({ kind: "stop", id } satisfies News);
    await this.downloader?.call("stop", [id]);
    await this.changed();
  }

  private async lackOfRoom(model: StoredModel): Promise<Problem | null> {
    const estimate = await navigator.storage?.estimate?.().catch(() => undefined);
    const message = lack(sum(model.parts) - storedOf(model), estimate);
    return message === null ? null : { code: "device_quota_full", message };
  }

  private store<T>(method: string, ...args: unknown[]): Promise<T> {
    if (!this.storage) {
      const worker = new Worker(new URL("./storage.worker.ts", import.meta.url), { type: "module" });
      const caller = new Caller(worker);
      this.storage = { caller, worker };
      worker.addEventListener("error", () => {
        this.storage = null;
        this.downloader = null;
        caller.fail(new LocalError("device_storage_failed", "The storage of models could not be started.", true));
      });
    }
    return this.storage.caller.call<T>(method, args);
  }

  private downloads(): Caller {
    if (!this.downloader || !this.storage) {
      const worker = new Worker(new URL("./download.worker.ts", import.meta.url), { type: "module" });
      const caller = new Caller(worker);
      worker.addEventListener("error", () => {
        this.downloader = null;
        caller.fail(new LocalError("device_download_failed", "The download could not be started.", true));
      });
      worker.addEventListener("message", ({ data }) => {
        const { progress } = data as { progress?: Progress };
        if (!progress) return;
        this.advance(progress);
        this.tabs?.postMessage({ kind: "progress", progress } satisfies News);
      });
      const pipe = new MessageChannel();
      void caller.call("connect", [pipe.port1], [pipe.port1]);
      void this.storage?.caller.call("connect", [pipe.port2], [pipe.port2]);
      this.downloader = caller;
    }
    return this.downloader;
  }
}

/** Runs `work` while no other tab runs its own. */
async function alone(work: () => Promise<void>): Promise<void> {
  if (navigator.locks) await navigator.locks.request(LOCK, work);
  else await work();
}
