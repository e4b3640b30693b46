import { localError } from "../local/errors";
import type { Sealed, VaultStore } from "./vault";

const NAME = "corral.keys";
const VERSION = 1;
const PROVIDERS = "providers";
const MASTER = "master";
const ONLY = "key";

/** The vault in IndexedDB, which takes a key that is not extractable as it is. Rejects with LocalError `device_storage_failed`. */
export class IndexedVault implements VaultStore {
  private opened: Promise<IDBDatabase> | null = null;

  constructor(private readonly factory: IDBFactory | undefined = globalThis.indexedDB) {}

  all(): Promise<Sealed[]> {
    return this.at("readonly", (at) => at.objectStore(PROVIDERS).getAll() as IDBRequest<Sealed[]>);
  }

  get(id: string): Promise<Sealed | undefined> {
    return this.at("readonly", (at) => at.objectStore(PROVIDERS).get(id) as IDBRequest<Sealed | undefined>);
  }

  async put(row: Sealed): Promise<void> {
    await this.at("readwrite", (at) => at.objectStore(PROVIDERS).put(row));
  }

  async remove(id: string): Promise<void> {
    await this.at("readwrite", (at) => at.objectStore(PROVIDERS).delete(id));
  }

  master(): Promise<CryptoKey | undefined> {
    return this.at("readonly", (at) => at.objectStore(MASTER).get(ONLY) as IDBRequest<CryptoKey | undefined>);
  }

  async keepMaster(made: CryptoKey): Promise<CryptoKey> {
    const kept = await this.at("readwrite", (at) => {
      const store = at.objectStore(MASTER);
      const known = store.get(ONLY) as IDBRequest<CryptoKey | undefined>;
      // Two tabs may make one at the same time: the first that comes here stays.
      known.onsuccess = () => known.result ?? store.put(made, ONLY);
      return known;
    });
    return kept ?? made;
  }

  /** Settles when the transaction has, which is on disk then. */
  private async at<T>(mode: IDBTransactionMode, ask: (at: IDBTransaction) => IDBRequest<T>): Promise<T> {
    try {
      const database = await this.open();
      return await new Promise<T>((resolve, reject) => {
        const at = database.transaction([PROVIDERS, MASTER], mode, { durability: "strict" });
        const request = ask(at);
        at.oncomplete = () => resolve(request.result);
        at.onabort = () => reject(at.error ?? new Error("The browser's storage did not take it."));
      });
    } catch (error) {
      throw localError(error, "device_storage_failed");
    }
  }

  private open(): Promise<IDBDatabase> {
    this.opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      if (!this.factory) throw new Error("This browser keeps nothing for pages.");
      const request = this.factory.open(NAME, VERSION);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(PROVIDERS, { keyPath: "id" });
        request.result.createObjectStore(MASTER);
      };
      request.onsuccess = () => {
        const database = request.result;
        // A newer version of the app waits for us to let go.
        database.onversionchange = () => {
          this.opened = null;
          database.close();
        };
        resolve(database);
      };
      request.onerror = () => reject(request.error);
    }).catch((error: unknown) => {
      this.opened = null;
      throw error;
    });
    return this.opened;
  }
}
