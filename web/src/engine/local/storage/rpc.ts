/** Calls over a port or a worker, and their answers. */
import type { LocalCode } from "../../../api/errors";
import { fromWire, LocalError, localError, toWire, type WireError } from "../errors";

/** What a Worker, a MessagePort and a worker's own scope have alike. */
export interface Port {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  start?(): void;
}

interface Call {
  call: number;
  method: string;
  args: unknown[];
}

interface Reply {
  reply: number;
  value?: unknown;
  error?: WireError;
}

/** Calls that may wait for their answers; more are a fault of ours. */
const WAITING = 1_000;

export class Caller {
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  private last = 0;
  private lost: LocalError | null = null;

  constructor(private readonly port: Port) {
    port.addEventListener("message", ({ data }) => this.settle(data as Partial<Reply>));
    port.start?.();
  }

  /** Rejects with the LocalError of the other side, or when that is lost. */
  call<T>(method: string, args: unknown[] = [], transfer: Transferable[] = []): Promise<T> {
    if (this.lost) return Promise.reject(this.lost);
    if (this.waiting.size >= WAITING)
      return Promise.reject(new LocalError("device_storage_failed", "Too much is asked of the storage at once.", true));
    const call = ++this.last;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
      this.port.postMessage({ call, method, args } satisfies Call, transfer);
    });
  }

  /** The other side is gone: all that waits fails. */
  fail(error: LocalError): void {
    this.lost = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  private settle(message: Partial<Reply>): void {
    const waiting = typeof message?.reply === "number" ? this.waiting.get(message.reply) : undefined;
    if (!waiting) return;
    this.waiting.delete(message.reply as number);
    const { error } = message;
    if (error) waiting.reject(fromWire(error));
    else waiting.resolve(message.value);
  }
}

type Methods = Record<string, (...args: never[]) => unknown>;

/** Answers the calls that come over `port`. */
export function serve(port: Port, methods: Methods, otherwise: LocalCode): void {
  port.addEventListener("message", ({ data }) => {
    const { call, method, args } = (data ?? {}) as Partial<Call>;
    if (typeof call !== "number" || typeof method !== "string") return;
    const found = Object.hasOwn(methods, method) ? methods[method] : undefined;
    Promise.resolve()
      .then(() => {
        if (!found) throw new LocalError(otherwise, `There is no ${method} here; reload the page.`, false);
        return found(...((args ?? []) as never[]));
      })
      .then(
        (value) => port.postMessage({ reply: call, value } satisfies Reply),
        (error: unknown) =>
          port.postMessage({ reply: call, error: toWire(localError(error, otherwise)) } satisfies Reply),
      );
  });
  port.start?.();
}
