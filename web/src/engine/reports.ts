import type { PageError } from "../api/debug";

/** Failures that wait to be told, that a page tells in all, and of one kind. */
const WAITING = 32;
const MOST = 200;
const OF_A_KIND = 3;
/** Milliseconds in which failures gather. */
const GATHER = 2_000;
const NOISE = /^(ResizeObserver loop|Script error)/;

/**
 * Tells the server what went wrong in this page, for its list of failures. Of an error that is none of ours it tells the kind and the
 * place in the app's scripts, never the message: that may repeat what somebody wrote.
 */
export class Reports {
  private waiting: PageError[] = [];
  private readonly kinds = new Map<string, number>();
  private told = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly tell: (errors: readonly PageError[]) => Promise<unknown>,
    private readonly now: () => number = Date.now,
  ) {}

  note(code: string, where: string, more: { message?: string; requestId?: string; recovery?: string } = {}): void {
    const kind = `${code} ${where} ${more.message ?? ""}`;
    const count = (this.kinds.get(kind) ?? 0) + 1;
    if (count > OF_A_KIND || this.told >= MOST || this.waiting.length >= WAITING) return;
    this.kinds.set(kind, count);
    this.told += 1;
    this.waiting.push({ code, where, at: this.now(), ...more });
    this.timer ??= setTimeout(() => this.send(), GATHER);
  }

  /** An error that nothing in the page has caught. */
  uncaught(error: unknown, where: string): void {
    // Not every browser's DOMException is an Error.
    if ((error as { name?: unknown } | null)?.name === "AbortError") return;
    if (NOISE.test(error instanceof Error ? error.message : String(error))) return;
    this.note("page_failed", where, { message: placed(error) });
  }

  private send(): void {
    this.timer = null;
    const errors = this.waiting;
    this.waiting = [];
    // Without a server there is nobody to tell.
    this.tell(errors).catch(() => undefined);
  }
}

/** The kind of an error and where it was raised. */
export function placed(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frame = /([\w.-]+\.js(?::\d+){1,2})/.exec(error.stack ?? "")?.[1];
  return frame ? `${error.name} at ${frame}` : error.name;
}
