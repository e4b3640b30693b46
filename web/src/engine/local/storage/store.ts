/** The files of models in the origin's private file system (OPFS), and their records. Runs in a worker. */
import { LocalError } from "../errors";
import type { Verified } from "../files";
import { Records } from "./records";
import { Sha256 } from "./sha256";
import type { Offer, Problem, StoredModel } from "./types";

/** https://fs.spec.whatwg.org/#api-filesystemsyncaccesshandle, which TypeScript knows for workers only. */
interface SyncHandle {
  write(data: Uint8Array, options: { at: number }): number;
  read(data: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
interface Lockable extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncHandle>;
}

const FOLDER = "corral-models";
const PIECE = 1024 * 1024;
const HELD_ELSEWHERE = "NoModificationAllowedError";
/** Milliseconds between the tries for a file that is held: a page that is being left lets go only a moment later. */
const HELD = [50, 100, 200, 400, 800, 1_600];

export class Store {
  /** The file that is being written. */
  private open: { key: string; part: number; handle: SyncHandle } | null = null;

  private constructor(
    private readonly records: Records,
    private readonly origin: FileSystemDirectoryHandle,
  ) {}

  static async start(): Promise<Store> {
    const records = await Records.open();
    const origin = await navigator.storage
      ?.getDirectory?.()
      .then((found) => found.getDirectoryHandle(FOLDER, { create: true }).then(() => found))
      .catch(() => undefined);
    if (!origin)
      throw new LocalError(
        "device_storage_missing",
        isSecureContext
          ? "This browser gives web pages no file storage. A private window does not; another browser may."
          : "Browsers give file storage only to pages over HTTPS, or of their own machine. Open Corral in one of these ways.",
        false,
      );
    const store = new Store(records, origin);
    await store.reconcile();
    return store;
  }

  all = (): Promise<StoredModel[]> => this.records.all();
  offers = (): Promise<Offer[]> => this.records.offers();

  /** Keeps what the server offers; a version whose files are the same as those here needs no download. */
  async keepOffers(offers: Offer[]): Promise<void> {
    await this.records.keepOffers(offers);
    const models = await this.records.all();
    for (const offer of offers)
      for (const model of models.filter((one) => one.id === offer.id && one.whole)) {
        const told = offer.parts.every((part) => part.sha256 !== null) && offer.parts.length === model.parts.length;
        if (!told || (model.version === offer.version && model.verified === "sha256")) continue;
        const same = model.parts.every((part, number) => part.digest === offer.parts[number]?.sha256);
        if (same) await this.adopt(model.key, offer);
        else if (model.version === offer.version) await this.damaged(model.key);
      }
  }

  /** The record of an offer that is to be downloaded; what is stored of that version already counts. */
  async begin(offer: Offer): Promise<StoredModel> {
    const mine = (await this.records.all()).filter((one) => one.id === offer.id);
    const known = mine.find((one) => one.version === offer.version);
    const others = mine.filter((one) => one !== known && !one.whole);
    if (known) {
      await this.dropAll(others);
      const changed = await this.records.change(known.key, (now) => ({
        ...now,
        wanted: !now.whole,
        problem: null,
        parts: now.parts.map((part, number) => ({ ...part, sha256: offer.parts[number]?.sha256 ?? part.sha256 })),
      }));
      if (changed) return changed;
    }
    const { id, name, version, context, builtIn } = offer;
    const parts = offer.parts.map((part) => ({ ...part, stored: 0, digest: null }));
    const key = crypto.randomUUID();
    const fresh = { key, id, name, version, context, builtIn, parts };
    const model: StoredModel = { ...fresh, wanted: true, whole: false, verified: null, problem: null };
    await this.records.put(model);
    // Only now, so that a model that is downloaded never seems not to be.
    await this.dropAll(others);
    return model;
  }

  /** Whether a version is to be downloaded, and what is in the way of it. */
  async want(key: string, wanted: boolean, problem: Problem | null = null): Promise<StoredModel | undefined> {
    return this.records.change(key, (now) => ({ ...now, wanted: wanted && !now.whole, problem }));
  }

  /** Writes bytes of a part where the last ones ended. Returns false when the version is not wanted any more. */
  async write(key: string, part: number, offset: number, data: ArrayBuffer): Promise<boolean> {
    const handle = await this.handle(key, part);
    const piece = new Uint8Array(data);
    try {
      // Without room Chromium writes less, and tells of it with a number far beyond what was given, or throws.
      if (handle.write(piece, { at: offset }) !== piece.length) throw full();
      handle.flush();
    } catch (error) {
      handle.truncate(offset);
      throw failed(error);
    }
    const stored = offset + piece.length;
    const model = await this.records.change(key, (now) => ({
      ...now,
      parts: now.parts.map((one, number) => (number === part ? { ...one, stored } : one)),
    }));
    return model?.wanted ?? false;
  }

  /** Reads a part back and returns its sum. */
  async digest(key: string, part: number): Promise<string> {
    const handle = await this.handle(key, part);
    const size = handle.getSize();
    const sum = new Sha256();
    const piece = new Uint8Array(PIECE);
    for (let at = 0; at < size; at += PIECE) {
      const count = handle.read(piece, { at });
      if (count === 0) break;
      sum.update(piece.subarray(0, count));
      // Other calls get their turn.
      if ((at / PIECE) % 16 === 15) await new Promise((resolve) => setTimeout(resolve));
    }
    const digest = sum.hex();
    await this.setPart(key, part, { digest, stored: size });
    return digest;
  }

  /** Throws away what is stored of a part. */
  async reset(key: string, part: number): Promise<void> {
    const handle = await this.handle(key, part);
    handle.truncate(0);
    handle.flush();
    await this.setPart(key, part, { digest: null, stored: 0 });
  }

  /** Makes a version the one that is used, if all of it is here, and throws away the others of that model. */
  async finish(key: string, verified: Verified): Promise<void> {
    this.release(key);
    const model = await this.records.get(key);
    if (!model || (await this.flaw(model)) !== null)
      throw new LocalError("device_download_corrupt", "Not all of the model is stored.", true);
    await this.records.change(key, (now) => ({ ...now, whole: true, wanted: false, problem: null, verified }));
    for (const other of await this.records.all())
      if (other.id === model.id && other.key !== key) await this.drop(other.key);
  }

  async remove(id: string): Promise<void> {
    for (const model of await this.records.all()) if (model.id === id) await this.drop(model.key);
  }

  /** The files of the whole version of a model. */
  async files(id: string): Promise<File[]> {
    const model = (await this.records.all()).find((one) => one.id === id && one.whole);
    if (!model) throw new LocalError("device_model_missing", "This model is not on this device yet.", false);
    const flaw = await this.flaw(model);
    if (flaw !== null) {
      await this.drop(model.key);
      throw new LocalError("device_storage_evicted", flaw, true);
    }
    const folder = await (await this.root()).getDirectoryHandle(model.key);
    return Promise.all(
      model.parts.map(async (part, number) => {
        const file = await (await folder.getFileHandle(String(number))).getFile();
        // A file of OPFS is named by its number; engines tell kinds by the name.
        return new File([file], part.name, { type: "application/octet-stream" });
      }),
    );
  }

  /** Lets go of the file that is being written. */
  release(key?: string): void {
    if (this.open && (key === undefined || this.open.key === key)) {
      this.open.handle.close();
      this.open = null;
    }
  }

  /** Believes of the records only what the files bear out: a browser may have removed them, or died while writing. */
  private async reconcile(): Promise<void> {
    const models = await this.records.all();
    const known = new Set(models.map((model) => model.key));
    for (const model of models) {
      if (!model.whole) await this.believe(model);
      if (!model.whole || (await this.flaw(model)) === null) continue;
      const message = "The browser has removed this model from its storage.";
      await this.records.change(model.key, (now) => ({
        ...now,
        whole: false,
        verified: null,
        problem: { code: "device_storage_evicted", message },
        parts: now.parts.map((part) => ({ ...part, stored: 0, digest: null })),
      }));
    }
    await this.sweep(known);
  }

  /** Asked for anew each time: a browser that makes room may have removed it, and a handle to what was is good for nothing. */
  private root(): Promise<FileSystemDirectoryHandle> {
    return this.origin.getDirectoryHandle(FOLDER, { create: true });
  }

  /** Removes the files of which no record tells, such as those that another tab was still writing when they were removed. */
  async sweep(known: ReadonlySet<string> = new Set()): Promise<void> {
    for await (const name of ((await this.root()) as unknown as { keys(): AsyncIterable<string> }).keys())
      if (!known.has(name) && !(await this.records.get(name))) await this.erase(name);
  }

  /** Counts no more of a version on its way than its files have. */
  private async believe(model: StoredModel): Promise<void> {
    const folder = await (await this.root()).getDirectoryHandle(model.key).catch(() => null);
    for (const [number, part] of model.parts.entries()) {
      const file = await folder?.getFileHandle(String(number)).catch(() => null);
      const size = file ? (await file.getFile()).size : 0;
      if (size < part.stored) await this.setPart(model.key, number, { digest: null, stored: size });
    }
  }

  /** Why a version is not whole, null when it is. */
  private async flaw(model: StoredModel): Promise<string | null> {
    try {
      const folder = await (await this.root()).getDirectoryHandle(model.key);
      for (const [number, part] of model.parts.entries()) {
        const { size } = await (await folder.getFileHandle(String(number))).getFile();
        if (size !== part.bytes) return `${part.name} has ${size} bytes here instead of ${part.bytes}.`;
      }
      return null;
    } catch {
      return "The browser has removed this model from its storage.";
    }
  }

  private async adopt(key: string, offer: Offer): Promise<void> {
    await this.records.change(key, (now) => ({
      ...now,
      name: offer.name,
      version: offer.version,
      verified: "sha256",
      problem: null,
      parts: now.parts.map((part, number) => ({ ...part, ...offer.parts[number] })),
    }));
    for (const other of await this.records.all())
      if (other.id === offer.id && other.key !== key) await this.drop(other.key);
  }

  /** The server told the sum only now, and it is another one. */
  private async damaged(key: string): Promise<void> {
    const message = "What is stored is not what the server has: its checksum differs. Download it again.";
    await this.records.change(key, (now) => ({
      ...now,
      whole: false,
      verified: null,
      problem: { code: "device_download_corrupt", message },
      parts: now.parts.map((part) => ({ ...part, stored: 0, digest: null })),
    }));
  }

  private async setPart(key: string, part: number, change: { digest: string | null; stored: number }): Promise<void> {
    await this.records.change(key, (now) => ({
      ...now,
      parts: now.parts.map((one, number) => (number === part ? { ...one, ...change } : one)),
    }));
  }

  private async handle(key: string, part: number): Promise<SyncHandle> {
    if (this.open?.key === key && this.open.part === part) return this.open.handle;
    this.release();
    const model = await this.records.get(key);
    const stored = model?.parts[part]?.stored;
    if (stored === undefined) throw new LocalError("device_model_missing", "The download was removed.", false);
    try {
      const folder = await (await this.root()).getDirectoryHandle(key, { create: true });
      const handle = await lock((await folder.getFileHandle(String(part), { create: true })) as Lockable);
      this.open = { key, part, handle };
      // What was written after the last record may be anything; a file that is shorter than its record is not to be trusted.
      if (handle.getSize() > stored) handle.truncate(stored);
      return handle;
    } catch (error) {
      throw failed(error);
    }
  }

  private async dropAll(models: readonly StoredModel[]): Promise<void> {
    for (const { key } of models) await this.drop(key);
  }

  private async drop(key: string): Promise<void> {
    this.release(key);
    await this.records.delete(key);
    await this.erase(key);
  }

  private async erase(name: string): Promise<void> {
    // A file that another tab still writes is removed at the next start: nothing knows of it any more.
    await this.root()
      .then((root) => root.removeEntry(name, { recursive: true }))
      .catch(() => undefined);
  }
}

/** The file for this worker alone; rejects when another keeps it. */
async function lock(file: Lockable): Promise<SyncHandle> {
  for (const wait of HELD) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      if ((error as Error).name !== HELD_ELSEWHERE) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
  return file.createSyncAccessHandle();
}

const full = () =>
  new LocalError(
    "device_quota_full",
    "The browser has no more room for this site. Remove a model here, or free space on the disk; what came so far is kept.",
    true,
  );

function failed(error: unknown): LocalError {
  if (error instanceof LocalError) return error;
  const { name, message } = error as Error;
  if (name === "QuotaExceededError") return full();
  if (name === HELD_ELSEWHERE)
    return new LocalError("device_busy_elsewhere", "Another tab is writing this model.", true);
  return new LocalError("device_storage_failed", `The browser could not store it: ${message}`, true);
}
