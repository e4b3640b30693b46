/** What is known of the models on this device, in IndexedDB, with the last ones in memory. */
import { LocalError } from "../errors";
import { Lru } from "./lru";
import type { Offer, StoredModel } from "./types";

const DATABASE = "corral.device";
const MODELS = "models";
const OFFERS = "offers";
const CHANGED = "corral.device.records";
const KEPT = 64;

export class Records {
  private readonly kept = new Lru<string, StoredModel>(KEPT);
  /** Another tab has written a record. */
  private readonly others: BroadcastChannel | null;

  private constructor(private readonly database: IDBDatabase) {
    this.others = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANGED);
    this.others?.addEventListener("message", ({ data }) => this.kept.delete(String(data)));
  }

  static async open(): Promise<Records> {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore(MODELS, { keyPath: "key" });
      asked.result.createObjectStore(OFFERS);
    };
    const database = await settled(asked).catch((error: Error) => {
      throw new LocalError("device_storage_missing", `This browser keeps nothing here: ${error.message}`, false);
    });
    // A tab with a newer app must not wait for this one.
    database.onversionchange = () => database.close();
    return new Records(database);
  }

  async all(): Promise<StoredModel[]> {
    const keys = (await settled(this.at(MODELS, "readonly").getAllKeys())) as string[];
    const found = await Promise.all(keys.map((key) => this.get(key)));
    return found.filter((one) => one !== undefined);
  }

  async get(key: string): Promise<StoredModel | undefined> {
    const kept = this.kept.get(key);
    if (kept) return kept;
    const found = (await settled(this.at(MODELS, "readonly").get(key))) as StoredModel | undefined;
    if (found) this.kept.set(key, found);
    return found;
  }

  /** Changes a record in one step, whatever other tabs do; undefined when there is none any more. */
  async change(key: string, change: (model: StoredModel) => StoredModel): Promise<StoredModel | undefined> {
    const transaction = this.database.transaction(MODELS, "readwrite", { durability: "strict" });
    const store = transaction.objectStore(MODELS);
    const found = (await settled(store.get(key))) as StoredModel | undefined;
    const changed = found && change(found);
    if (changed) store.put(changed);
    await ended(transaction);
    this.note(key, changed);
    return changed;
  }

  async put(model: StoredModel): Promise<void> {
    const transaction = this.database.transaction(MODELS, "readwrite", { durability: "strict" });
    transaction.objectStore(MODELS).put(model);
    await ended(transaction);
    this.note(model.key, model);
  }

  async delete(key: string): Promise<void> {
    const transaction = this.database.transaction(MODELS, "readwrite", { durability: "strict" });
    transaction.objectStore(MODELS).delete(key);
    await ended(transaction);
    this.note(key, undefined);
  }

  /** What the server offered last, for times without it. */
  async offers(): Promise<Offer[]> {
    return ((await settled(this.at(OFFERS, "readonly").get("last"))) as Offer[] | undefined) ?? [];
  }

  async keepOffers(offers: Offer[]): Promise<void> {
    const transaction = this.database.transaction(OFFERS, "readwrite");
    transaction.objectStore(OFFERS).put(offers, "last");
    await ended(transaction);
  }

  private at(store: string, mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(store, mode).objectStore(store);
  }

  private note(key: string, model: StoredModel | undefined): void {
    if (model) this.kept.set(key, model);
    else this.kept.delete(key);
    this.others?.postMessage(key);
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the database failed"));
  });
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the database failed"));
  });
}
