/** The caches of the app's own files: one for each version, and one for large parts that are fetched when first used. */
import { beyond, isolated } from "./routing";

/** What a build consists of; the build writes it into the service worker. */
export interface Shell {
  /** Changes with any file. */
  version: string;
  /** SHA-256 of index.html, hexadecimal. */
  page: string;
  /** Files that every page may need, relative to the scope. */
  files: readonly string[];
}

const PREFIX = "corral-shell-";
const LARGE = "corral-parts";
/** Large parts that are kept: the engine's programs, fonts. */
const PARTS = 60;
/** Versions whose files are kept: tabs of the one before are still open. */
const VERSIONS = 2;

/** The app's files, kept for use without a network. `scope` ends with a slash. */
export class Offline {
  constructor(
    private readonly shell: Shell,
    private readonly scope: string,
    private readonly store: CacheStorage,
    private readonly get: (url: string, fresh: boolean) => Promise<Response>,
  ) {}

  private get name(): string {
    return PREFIX + this.shell.version;
  }

  /** Fetches all files of this version. Rejects, with nothing kept, when one is missing or the page is of another version. */
  async install(): Promise<void> {
    const cache = await this.store.open(this.name);
    try {
      const page = await this.fetched("", true);
      const text = await page.clone().arrayBuffer();
      if ((await digest(text)) !== this.shell.page) throw new Error("the page is of another version");
      await cache.put(this.scope, isolated(page, this.scope));
      await inTurn(this.shell.files, 4, async (file) => {
        const url = this.scope + file;
        // The file's name changes with its content, so an earlier version's copy is as good.
        const known = await this.store.match(url, { ignoreVary: true });
        await cache.put(url, known ?? isolated(await this.fetched(file, false), url));
      });
    } catch (error) {
      await this.store.delete(this.name);
      throw error;
    }
  }

  /** Lets go of versions that no tab can need any more. */
  async tidy(): Promise<void> {
    const versions = (await this.store.keys()).filter((name) => name.startsWith(PREFIX) && name !== this.name);
    await Promise.all(beyond(versions, VERSIONS - 1).map((name) => this.store.delete(name)));
  }

  /** The page of this version; from the network only when the browser has thrown the copy away. */
  async page(): Promise<Response> {
    const cache = await this.store.open(this.name);
    return (await cache.match(this.scope, { ignoreVary: true })) ?? isolated(await this.fetched("", true), this.scope);
  }

  /** A file of the build, of whichever version; one that is not kept yet is fetched and kept. */
  async asset(url: string): Promise<Response> {
    const known = await this.store.match(url, { ignoreVary: true });
    if (known) return known;
    const answer = await this.get(url, false);
    // A host that answers a missing file with its page must not have that page kept as a script.
    if (!answer.ok || answer.redirected || answer.headers.get("Content-Type")?.startsWith("text/html")) return answer;
    const ours = isolated(answer, url);
    const copy = ours.clone();
    void this.keep(url, copy);
    return ours;
  }

  private async keep(url: string, answer: Response): Promise<void> {
    try {
      const cache = await this.store.open(LARGE);
      await cache.put(url, answer);
      await Promise.all(beyond(await cache.keys(), PARTS).map((old) => cache.delete(old)));
    } catch {
      // A full disk costs only that the file is fetched again.
    }
  }

  private async fetched(file: string, fresh: boolean): Promise<Response> {
    const answer = await this.get(this.scope + file, fresh);
    if (!answer.ok) throw new Error(`${file || "the page"} was answered with ${answer.status}`);
    return answer;
  }
}

async function digest(bytes: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Does `work` for all items, `width` at a time. */
async function inTurn<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
