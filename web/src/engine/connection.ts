import { PASSING } from "../api/passing";
import { reconnectDelay } from "./backoff";
import { randomKey } from "./ids";

/** The part of a Socket.IO socket that the connection needs. */
export interface Wire {
  readonly connected: boolean;
  connect(): unknown;
  disconnect(): unknown;
  emit(event: string, payload: unknown): unknown;
  on(event: string, handler: (payload: unknown) => void): unknown;
  onAny(handler: (event: string, payload: unknown) => void): unknown;
}

export interface Envelope {
  type?: string;
  event?: string;
  success?: boolean;
  data?: unknown;
  error?: { code: string; message: string; details?: Record<string, unknown> };
  requestId?: string;
}

/** `retryAt` is null while nobody looks at the page and nothing waits to be sent: then nothing is tried. */
export type ConnectionState =
  | { phase: "connecting" | "connected" }
  | { phase: "waiting"; retryAt: number | null; since: number };

/** The server refused the request; trying the same again does not help. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** No answer came; the same request may be sent again. */
export class NoAnswer extends Error {}

interface Waiting {
  resolve(data: unknown): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

/** Under which id a request goes, and in which trace. */
export interface About {
  requestId?: string;
  traceparent?: string;
}

/** Something that a person asked for while there was no connection. */
interface Intent {
  event: string;
  data: object;
  timeout: number;
  resolve(data: unknown): void;
  reject(error: Error): void;
}

const REPLY_TIMEOUT = 30_000;

/** One socket, its reconnect policy, and requests matched to their answers. */
export class Connection {
  private state: ConnectionState = { phase: "connecting" };
  private attempt = 0;
  private hidden = false;
  private lostAt: number | null = null;
  private queue: readonly Intent[] = [];
  private readers: (() => void)[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly waiting = new Map<string, Waiting>();
  private readonly watchers = new Set<() => void>();
  private readonly openers = new Set<() => void>();
  private readonly listeners = new Map<string, Set<(data: unknown) => void>>();

  /** `unsent` says whether something outside of the connection waits to be sent. */
  constructor(
    private readonly wire: Wire,
    private readonly unsent: () => boolean = () => false,
  ) {
    wire.on("connect", () => this.opened());
    wire.on("disconnect", () => this.lost());
    wire.on("connect_error", () => this.lost());
    wire.onAny((event, payload) => this.received(event, payload));
  }

  /** Opens the socket. */
  start(): void {
    this.set({ phase: "connecting" });
    this.wire.connect();
  }

  /** There is no server to connect to, and none is looked for. */
  rest(): void {
    this.set({ phase: "waiting", retryAt: null, since: Date.now() });
  }

  /** Tries at once, without waiting for the countdown. */
  retryNow(): void {
    if (this.state.phase !== "waiting") return;
    clearTimeout(this.timer);
    this.start();
  }

  /** Says whether the page is out of sight: then it tries no more, unless something waits to be sent. */
  hide(hidden: boolean): void {
    this.hidden = hidden;
    if (hidden) this.pause();
    else this.retryNow();
  }

  snapshot = (): ConnectionState => this.state;

  /** How many intents wait for the connection. */
  queued = (): number => this.queue.length;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  /** Calls `opener` each time the socket has opened, and at once when it is open, until the answer is called. */
  onOpen(opener: () => void): () => void {
    this.openers.add(opener);
    if (this.wire.connected) opener();
    return () => this.openers.delete(opener);
  }

  /** Calls `listener` with the data of each `event` that the server sends, until the answer is called. */
  on(event: string, listener: (data: unknown) => void): () => void {
    const known = this.listeners.get(event) ?? new Set();
    known.add(listener);
    this.listeners.set(event, known);
    return () => known.delete(listener);
  }

  get connected(): boolean {
    return this.wire.connected;
  }

  /**
   * Sends a request; rejects with `Refused`, or with `NoAnswer` when the outcome is not known. `about`: its id, and the span of
   * this page that it belongs to (https://www.w3.org/TR/trace-context/).
   */
  request<T>(event: string, data: object = {}, timeout = REPLY_TIMEOUT, about: About = {}): Promise<T> {
    if (!this.wire.connected) return Promise.reject(new NoAnswer("There is no connection to the server."));
    const { requestId = randomKey(), traceparent } = about;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(requestId);
        reject(new NoAnswer("The server did not answer."));
      }, timeout);
      this.waiting.set(requestId, { resolve: (answer) => resolve(answer as T), reject, timer });
      this.wire.emit(event, traceparent === undefined ? { data, requestId } : { data, requestId, traceparent });
    });
  }

  /** Reads something: at once, or when the connection is there. Rejects like `request`. */
  async ask<T>(event: string, data: object = {}, timeout = REPLY_TIMEOUT): Promise<T> {
    if (!this.wire.connected) await new Promise<void>((resolve) => this.readers.push(resolve));
    return this.request<T>(event, data, timeout);
  }

  /**
   * Sends what a person asked for: at once, or when the connection is back, in order and once. It is never sent a
   * second time: `NoAnswer` then means that the outcome is not known.
   */
  intend<T>(event: string, data: object = {}, timeout = REPLY_TIMEOUT): Promise<T> {
    if (this.wire.connected) return this.request<T>(event, data, timeout);
    return new Promise<T>((resolve, reject) => {
      this.queue = [...this.queue, { event, data, timeout, resolve: (answer) => resolve(answer as T), reject }];
      this.tell();
    });
  }

  /** Forgets what waits for the connection. */
  dropQueue(): void {
    const dropped = this.queue;
    this.queue = [];
    for (const intent of dropped) intent.reject(new Refused("cancelled", "It was not sent."));
    this.tell();
  }

  private opened(): void {
    this.attempt = 0;
    this.lostAt = null;
    clearTimeout(this.timer);
    const intents = this.queue;
    this.queue = [];
    this.set({ phase: "connected" });
    for (const reader of this.readers.splice(0)) reader();
    for (const { event, data, timeout, resolve, reject } of intents)
      this.request(event, data, timeout).then(resolve, reject);
    for (const opener of this.openers) opener();
  }

  private lost(): void {
    for (const waiting of this.waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new NoAnswer("The connection was lost."));
    }
    this.waiting.clear();
    clearTimeout(this.timer);
    const delay = reconnectDelay(this.attempt++);
    this.lostAt ??= Date.now();
    this.set({ phase: "waiting", retryAt: Date.now() + delay, since: this.lostAt });
    this.timer = setTimeout(() => this.start(), delay);
    this.pause();
  }

  private pause(): void {
    if (!this.hidden || this.state.phase !== "waiting" || this.queue.length > 0 || this.unsent()) return;
    clearTimeout(this.timer);
    this.set({ ...this.state, retryAt: null });
  }

  private received(event: string, payload: unknown): void {
    const envelope = (payload ?? {}) as Envelope;
    const waiting = envelope.requestId === undefined ? undefined : this.waiting.get(envelope.requestId);
    if (waiting && envelope.requestId !== undefined) {
      this.waiting.delete(envelope.requestId);
      clearTimeout(waiting.timer);
      if (envelope.success === false || envelope.error) waiting.reject(failure(envelope));
      else waiting.resolve(envelope.data);
      return;
    }
    for (const listener of this.listeners.get(event) ?? []) listener(envelope.data ?? envelope);
  }

  private set(state: ConnectionState): void {
    this.state = state;
    this.tell();
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}

function failure(envelope: Envelope): Error {
  const { code = "unknown", message = "The server refused.", details = {} } = envelope.error ?? {};
  return PASSING.has(code) ? new NoAnswer(message) : new Refused(code, message, details);
}
