import { Opened } from "../database";
import { localError } from "../local/errors";
import type { Sealed, VaultStore } from "./vault";

const NAME = "corral.keys";
const VERSION = 1;
const PROVIDERS = "providers";
const MASTER = "master";
const ONLY = "key";

/** The vault in IndexedDB, which takes a key that is not extractable as it is. Rejects with LocalError `device_storage_failed`. */
export class IndexedVault implements VaultStore {
  private readonly database: Opened;

  constructor(factory: IDBFactory | undefined = globalThis.indexedDB) {
    this.database = new Opened(factory, NAME, VERSION, (database) => {
      database.createObjectStore(PROVIDERS, { keyPath: "id" });
      database.createObjectStore(MASTER);
    });
  }

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
      const database = await this.database.open();
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
}
