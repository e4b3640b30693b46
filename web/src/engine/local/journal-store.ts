import type { Message } from "../../api/types";
import { Opened } from "../database";
import type { JournalChange, JournalHead, JournalStore, JournalTurn } from "./journal";

const NAME = "corral.journal";
const VERSION = 1;
const STORES = ["turns", "heads", "messages"] as const;

/** The journal in IndexedDB. Rejects with LocalError `device_storage_failed` where there is none. */
export class IndexedJournal implements JournalStore {
  private readonly database: Opened;

  constructor(factory: IDBFactory | undefined = globalThis.indexedDB) {
    this.database = new Opened(factory, NAME, VERSION, (database) => {
      database.createObjectStore("turns", { keyPath: "key" });
      database.createObjectStore("heads", { keyPath: "id" });
      database.createObjectStore("messages", { keyPath: "id" });
    });
  }

  turns(): Promise<JournalTurn[]> {
    return this.read((at) => at.objectStore("turns").getAll() as IDBRequest<JournalTurn[]>, "turns");
  }

  heads(): Promise<JournalHead[]> {
    return this.read((at) => at.objectStore("heads").getAll() as IDBRequest<JournalHead[]>, "heads");
  }

  async messages(id: string): Promise<Message[]> {
    const row = await this.read(
      (at) => at.objectStore("messages").get(id) as IDBRequest<{ messages: Message[] } | undefined>,
      "messages",
    );
    return row?.messages ?? [];
  }

  async write(change: JournalChange): Promise<void> {
    const database = await this.database.open().catch(told);
    await new Promise<void>((resolve, reject) => {
      // "strict": it is on disk before it is told, as on the server.
      const at = database.transaction(STORES, "readwrite", { durability: "strict" });
      at.oncomplete = () => resolve();
      at.onabort = () => reject(at.error);
      for (const turn of change.turns ?? []) at.objectStore("turns").put(turn);
      for (const key of change.forget ?? []) at.objectStore("turns").delete(key);
      for (const head of change.heads ?? []) at.objectStore("heads").put(head);
      for (const row of change.messages ?? []) at.objectStore("messages").put(row);
      for (const id of change.drop ?? []) {
        at.objectStore("heads").delete(id);
        at.objectStore("messages").delete(id);
      }
    }).catch(told);
  }

  private async read<T>(ask: (at: IDBTransaction) => IDBRequest<T>, store: (typeof STORES)[number]): Promise<T> {
    const database = await this.database.open().catch(told);
    return new Promise<T>((resolve, reject) => {
      const request = ask(database.transaction(store, "readonly"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    }).catch(told);
  }
}

/** Rejects with the failure as one of ours; the table of errors is loaded when there is one. */
async function told(error: unknown): Promise<never> {
  const { localError } = await import("./errors");
  throw localError(error, "device_storage_failed");
}
