/** Asking a person's own provider: each call has a worker of its own, which ends with it, and the opened key with the worker. */
import { failure, fromWire, LocalError } from "../local/errors";
import type { LocalAnswer, LocalRequest } from "../local/types";
import { readOwnId } from "./ids";
import type { Command, Report, Whom, Work } from "./types";

/** Calls at the same time, of one page. */
const MOST = 4;
/** Milliseconds that a worker has to end after a stop. */
const ENDING = 2_000;

export interface Port {
  postMessage(command: Command): void;
  onmessage: ((event: MessageEvent<Report>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  terminate(): void;
}

const spawnWorker = (): Port => new Worker(new URL("./remote.worker.ts", import.meta.url), { type: "module" });

/** Answers as the engine of this device does, by providers. All promises are rejected with LocalError only. */
export class RemoteEngine {
  private under = 0;

  constructor(private readonly spawn: () => Port = spawnWorker) {}

  /** Nothing is loaded here, so there is nothing to tell. */
  subscribe = (): (() => void) => () => undefined;

  /** Raises LocalError, a row of the table of errors. An aborted answer ends with what there was. */
  generate(request: LocalRequest, onToken: (text: string) => void): Promise<LocalAnswer> {
    const { messages, sampling = {}, schema, signal } = request;
    const found = readOwnId(request.model);
    if (!found) return Promise.reject(failure("device_model_unknown"));
    if (schema) return Promise.reject(failure("device_schema_unsupported"));
    return this.chat({ id: found.provider }, { model: found.model, messages, sampling, signal }, onToken);
  }

  async chat(
    whom: Whom,
    asked: Pick<LocalRequest, "model" | "messages" | "sampling" | "signal">,
    onToken: (text: string) => void,
  ): Promise<LocalAnswer> {
    const { model, messages, sampling = {}, signal } = asked;
    let text = "";
    const heard = (piece: string) => {
      text += piece;
      onToken(piece);
    };
    const report = await this.call(whom, { kind: "chat", model, messages, sampling }, heard, signal);
    if (report?.type === "ANSWER") return report.answer;
    const stats = { promptTokens: 0, tokens: 0, firstTokenMs: 0, tokensPerSecond: 0, backend: "provider", threads: 0 };
    return { text, stop: "aborted", stats: { ...stats, backend: "provider" } };
  }

  /** The models that a provider lists. */
  async models(whom: Whom, signal?: AbortSignal): Promise<readonly string[]> {
    const report = await this.call(whom, { kind: "models" }, () => undefined, signal);
    return report?.type === "MODELS" ? report.models : [];
  }

  /** The last report of a worker; null when it was stopped and said no more. */
  private call(whom: Whom, work: Work, onText: (text: string) => void, signal?: AbortSignal): Promise<Report | null> {
    if (this.under >= MOST)
      return Promise.reject(failure("device_queue_full", `${MOST} answers are under way already.`));
    this.under += 1;
    return new Promise<Report | null>((resolve, reject) => {
      const port = this.spawn();
      let late: ReturnType<typeof setTimeout> | undefined;
      const abort = () => {
        port.postMessage({ type: "ABORT" });
        late = setTimeout(() => end(null), ENDING);
      };
      const end = (last: Report | LocalError | null) => {
        clearTimeout(late);
        signal?.removeEventListener("abort", abort);
        port.onmessage = port.onerror = null;
        port.terminate();
        this.under -= 1;
        if (last instanceof LocalError) reject(last);
        else resolve(last);
      };
      port.onmessage = ({ data }) => {
        if (data.type === "TEXT") onText(data.text);
        else end(data.type !== "ERROR" ? data : signal?.aborted ? null : fromWire(data.error));
      };
      port.onerror = (event) => {
        event.preventDefault();
        end(failure("device_worker_lost"));
      };
      port.postMessage({ type: "CALL", whom, work });
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    });
  }
}
