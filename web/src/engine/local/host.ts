/** The inside of the inference worker: one adapter, one piece of work at a time. */
import type { Adapter } from "./adapters/adapter";
import { Batcher } from "./batcher";
import { failure, localError, toWire } from "./errors";
import { type Command, type Report, readCommand } from "./protocol";

/** Milliseconds between signs of life, and between two reports of progress. */
const PULSE = 2_000;
const STEP = 100;

export type MakeAdapter = (kind: "gguf" | "mlc") => Promise<Adapter>;

/** Takes the page's commands and reports. The page orders its work; a second one meanwhile is refused, not queued. */
export class Host {
  private adapter: Adapter | null = null;
  private busy: { id: string; abort: AbortController } | null = null;

  constructor(
    private readonly make: MakeAdapter,
    private readonly post: (report: Report) => void,
  ) {}

  /** One message of the page. Never rejects: what fails is reported. */
  async take(data: unknown): Promise<void> {
    const id = (data as { id?: unknown } | null)?.id;
    const name = typeof id === "string" ? id : "";
    let command: Command;
    try {
      command = readCommand(data);
    } catch (error) {
      this.fail(name, error);
      return;
    }
    if (command.type === "ABORT") {
      if (this.busy?.id === command.id) this.busy.abort.abort();
      return;
    }
    if (this.busy) {
      this.fail(name, failure("device_queue_full", "The worker is at work already.", true));
      return;
    }
    const abort = new AbortController();
    this.busy = { id: name, abort };
    const pulse = setInterval(() => this.post({ type: "ALIVE", id: name }), PULSE);
    try {
      await this.run(command, abort.signal);
    } catch (error) {
      this.fail(name, error);
    } finally {
      clearInterval(pulse);
      this.busy = null;
    }
  }

  private async run(command: Exclude<Command, { type: "ABORT" }>, signal: AbortSignal): Promise<void> {
    if (command.type === "LOAD") await this.load(command);
    else if (command.type === "GENERATE") await this.generate(command, signal);
    else {
      await this.drop();
      this.post({ type: "COMPLETE", id: command.id });
    }
  }

  private async load({ id, payload: { source, plan } }: Extract<Command, { type: "LOAD" }>): Promise<void> {
    await this.drop();
    const adapter = await this.make(source.kind);
    this.adapter = adapter;
    const report = this.progress(id);
    try {
      this.post({ type: "LOADED", id, payload: await adapter.load(source, plan, report) });
    } catch (error) {
      await this.drop();
      throw localError(error, "device_load_failed");
    }
  }

  private async generate({ id, payload }: Extract<Command, { type: "GENERATE" }>, signal: AbortSignal): Promise<void> {
    if (!this.adapter) throw failure("device_worker_lost", "No model is loaded in the worker.", true);
    const batch = new Batcher((text, tokens) => this.post({ type: "TOKEN", id, payload: { text, tokens } }));
    const report = this.progress(id);
    try {
      const answer = await this.adapter.generate(
        payload,
        { text: (text, tokens) => batch.add(text, tokens), prompt: report },
        signal,
      );
      batch.flush();
      this.post({ type: "COMPLETE", id, payload: answer });
    } finally {
      batch.flush();
    }
  }

  private async drop(): Promise<void> {
    const adapter = this.adapter;
    this.adapter = null;
    await adapter?.unload();
  }

  /** Tells progress, but not more often than it can be seen. */
  private progress(id: string): (fraction: number) => void {
    let last = Number.NEGATIVE_INFINITY;
    return (fraction) => {
      const now = performance.now();
      if (now - last < STEP && fraction < 1) return;
      last = now;
      this.post({ type: "PROGRESS", id, payload: { fraction: Math.min(1, Math.max(0, fraction)) } });
    };
  }

  private fail(id: string, error: unknown): void {
    this.post({ type: "ERROR", id, payload: toWire(localError(error, "device_generation_failed")) });
  }
}
