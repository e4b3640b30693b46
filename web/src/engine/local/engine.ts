/**
 * The engine of this browser as a page sees it: one loaded model for all tabs. The tab with the lock holds it
 * (`Inference`); the others ask it over a channel. When it goes, the next one takes over and goes on with what was asked.
 */
import { randomKey } from "../ids";
import { remaining } from "./continuing";
import { failure, fromWire, type LocalError, localError, toWire } from "./errors";
import { type Ear, Inference, type Parts } from "./inference";
import { Leadership } from "./leadership";
import { checkWork, type Work } from "./protocol";
import { readWord, type Task, type Word } from "./tabs";
import type { BrowserEngine, EngineState, LocalAnswer, LocalRequest } from "./types";

/** Milliseconds without a word from the tab that holds the model, after which it is taken from it. */
const SILENCE = 15_000;
/** In the place of the tab that worked on a call and does not any more. */
const GONE = "gone";
const CHANNEL = "corral.device.engine";

/** The parts of the browser that connect tabs. Without them each tab is on its own. */
export interface Between {
  locks?: LockManager;
  channel?: BroadcastChannel;
  silence?: number;
}

/** Something that was asked in this tab. */
interface Call {
  id: string;
  task: Task;
  /** What has come of the answer. */
  text: string;
  tokens: number;
  onToken: (text: string) => void;
  stop: AbortController;
  /** The tab that works on it; null while none does. */
  at: string | null;
  moved: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
  resolve(answer: LocalAnswer | undefined): void;
  reject(error: LocalError): void;
}

export class SharedEngine implements BrowserEngine {
  private readonly me = randomKey();
  private readonly calls = new Map<string, Call>();
  private readonly served = new Map<string, AbortController>();
  private readonly listeners = new Set<(state: EngineState) => void>();
  private readonly leadership: Leadership | null = null;
  private readonly silence: number;
  private readonly channel: BroadcastChannel | undefined;
  private current: EngineState = { kind: "idle", leader: false };
  private inference: Inference | null = null;
  private leader: string | null = null;
  private closed = false;

  constructor(
    private readonly parts: Parts,
    { locks, channel, silence = SILENCE }: Between,
  ) {
    this.silence = silence;
    if (locks && channel) {
      this.channel = channel;
      channel.onmessage = ({ data }) => this.hear(data);
      this.say({ kind: "ask", from: this.me });
      this.leadership = new Leadership(
        locks,
        () => this.lead(),
        () => this.step(),
      );
    } else {
      this.lead();
    }
  }

  state(): EngineState {
    return this.current;
  }

  subscribe(listener: (state: EngineState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async load(model: string): Promise<void> {
    await this.call({ verb: "load", model });
  }

  async unload(): Promise<void> {
    await this.call({ verb: "unload" });
  }

  async generate(request: LocalRequest, onToken: (text: string) => void): Promise<LocalAnswer> {
    const work = checkWork(request);
    const answer = await this.call({ verb: "generate", model: request.model, work }, onToken, request.signal);
    if (!answer) throw failure("device_generation_failed", "The answer came without its end.", true);
    return answer;
  }

  /** Gives everything up, as closing the tab does. */
  close(): void {
    const { inference } = this;
    const reason = failure("device_unloaded", "The engine of this page was closed.", true);
    this.closed = true;
    this.inference = null;
    inference?.end(reason);
    for (const call of [...this.calls.values()]) call.reject(reason);
    this.leadership?.close();
    this.channel?.close();
  }

  private call(task: Task, onToken: (text: string) => void = () => undefined, signal?: AbortSignal) {
    return new Promise<LocalAnswer | undefined>((resolve, reject) => {
      const stop = new AbortController();
      const call: Call = {
        id: randomKey(),
        task,
        text: "",
        tokens: 0,
        onToken,
        stop,
        at: null,
        moved: false,
        timer: undefined,
        resolve,
        reject,
      };
      const abort = () => {
        stop.abort();
        if (call.at && call.at !== this.me) this.say({ kind: "stop", from: this.me, to: call.at, id: call.id });
      };
      signal?.addEventListener("abort", abort, { once: true });
      const leave = () => {
        signal?.removeEventListener("abort", abort);
        clearTimeout(call.timer);
        this.calls.delete(call.id);
      };
      call.resolve = (answer) => {
        leave();
        resolve(answer);
      };
      call.reject = (error) => {
        leave();
        reject(error);
      };
      if (signal?.aborted) stop.abort();
      this.calls.set(call.id, call);
      this.dispatch(call);
    });
  }

  /** Hands a call to the tab that holds the model; one that was at another tab goes on from where that one left it. */
  private dispatch(call: Call): void {
    const to = this.inference ? this.me : this.leader;
    this.wind(call);
    if (!to || call.at === to) return;
    if (call.at) {
      if (call.moved) {
        call.reject(failure("device_tab_lost", "The tabs that held the model were closed.", true));
        return;
      }
      call.moved = true;
    }
    call.at = to;
    let task: Task;
    try {
      task = left(call);
    } catch (error) {
      call.reject(failure("device_tab_lost", localError(error, "device_tab_lost").message, true));
      return;
    }
    if (this.inference) void this.runHere(this.inference, call, task);
    else this.say({ kind: "call", from: this.me, to, id: call.id, task });
    if (call.stop.signal.aborted && !this.inference) this.say({ kind: "stop", from: this.me, to, id: call.id });
  }

  private async runHere(inference: Inference, call: Call, task: Task): Promise<void> {
    clearTimeout(call.timer);
    try {
      const answer = await this.perform(
        inference,
        task,
        { text: (text, tokens) => this.took(call, text, tokens) },
        call.stop.signal,
      );
      this.finish(call, answer);
    } catch (error) {
      // Without the lock any more: another tab goes on with it.
      if (this.inference === inference) call.reject(localError(error, "device_generation_failed"));
    }
  }

  private async perform(
    inference: Inference,
    task: Task,
    ear: Ear,
    signal: AbortSignal,
  ): Promise<LocalAnswer | undefined> {
    if (task.verb === "load") await inference.load(task.model, ear);
    else if (task.verb === "unload") inference.unload();
    else return inference.generate(task.model, task.work, ear, signal);
    return undefined;
  }

  private took(call: Call, text: string, tokens: number): void {
    call.text += text;
    call.tokens += tokens;
    call.onToken(text);
  }

  private finish(call: Call, answer: LocalAnswer | undefined): void {
    if (!answer || !call.moved) call.resolve(answer);
    else call.resolve({ ...answer, text: call.text, stats: { ...answer.stats, tokens: call.tokens } });
  }

  // The tab that holds the model.

  private lead(): void {
    this.leader = this.me;
    const inference: Inference = new Inference(this.parts, (state) => {
      if (this.inference === inference) this.show({ ...state, leader: true });
    });
    this.inference = inference;
    this.show({ kind: "idle", leader: true });
    for (const call of [...this.calls.values()]) this.dispatch(call);
  }

  private step(): void {
    if (this.closed) return;
    const { inference } = this;
    this.inference = null;
    this.leader = null;
    inference?.end(failure("device_tab_lost", "Another tab has taken the model over.", true));
    for (const stop of this.served.values()) stop.abort();
    this.served.clear();
    this.show({ kind: "idle", leader: false });
    this.say({ kind: "ask", from: this.me });
    for (const call of this.calls.values()) {
      if (call.at === this.me) call.at = GONE;
      this.wind(call);
    }
  }

  private async serve({ from, id, task }: Extract<Word, { kind: "call" }>): Promise<void> {
    const { inference } = this;
    if (!inference || this.served.has(id)) return;
    const stop = new AbortController();
    this.served.set(id, stop);
    const reply = (
      word: { kind: "heard" } | { kind: "text"; text: string; tokens: number } | { kind: "done"; answer?: LocalAnswer },
    ) => {
      if (this.inference === inference) this.say({ ...word, from: this.me, to: from, id });
    };
    reply({ kind: "heard" });
    try {
      const checked = task.verb === "generate" ? { ...task, work: checkWork(task.work) as Work } : task;
      const ear: Ear = {
        text: (text, tokens) => reply({ kind: "text", text, tokens }),
        alive: () => reply({ kind: "heard" }),
      };
      const answer = await this.perform(inference, checked, ear, stop.signal);
      reply({ kind: "done", ...(answer && { answer }) });
    } catch (error) {
      const wire = toWire(localError(error, "device_generation_failed"));
      if (this.inference === inference) this.say({ kind: "error", from: this.me, to: from, id, error: wire });
    } finally {
      this.served.delete(id);
    }
  }

  // What is heard.

  private hear(data: unknown): void {
    const word = readWord(data);
    if (!word || word.from === this.me) return;
    if (word.kind === "ask") {
      if (this.inference) this.say({ kind: "state", from: this.me, state: this.current });
    } else if (word.kind === "state") this.follow(word.from, word.state);
    else if (word.to === this.me) this.listen(word);
  }

  private follow(leader: string, state: EngineState): void {
    if (this.inference) return;
    const other = this.leader !== leader;
    this.leader = leader;
    this.show({ ...state, leader: false });
    for (const call of [...this.calls.values()]) {
      if (other) this.dispatch(call);
      else this.wind(call);
    }
  }

  private listen(word: Exclude<Word, { kind: "ask" | "state" }>): void {
    if (word.kind === "call") {
      void this.serve(word);
      return;
    }
    if (word.kind === "stop") {
      this.served.get(word.id)?.abort();
      return;
    }
    const call = this.calls.get(word.id);
    if (!call || call.at !== word.from) return;
    this.wind(call);
    if (word.kind === "text") this.took(call, word.text, word.tokens);
    else if (word.kind === "done") this.finish(call, word.answer);
    else if (word.kind === "error") call.reject(fromWire(word.error));
  }

  /** Starts the wait for a word about this call anew. */
  private wind(call: Call): void {
    clearTimeout(call.timer);
    if (this.inference || !this.leadership) return;
    call.timer = setTimeout(() => {
      // A tab that slept finds its timers run out before it has read what came meanwhile; so it asks first.
      this.say({ kind: "ask", from: this.me });
      call.timer = setTimeout(() => this.leadership?.steal(), this.silence / 3);
    }, this.silence);
  }

  private say(word: Word): void {
    if (!this.closed) this.channel?.postMessage(word);
  }

  private show(state: EngineState): void {
    this.current = state;
    if (this.inference) this.say({ kind: "state", from: this.me, state });
    for (const listener of this.listeners) listener(state);
  }
}

/** What is left to do of a call. */
function left({ task, text, tokens }: Call): Task {
  return task.verb === "generate" ? { ...task, work: remaining(task.work, text, tokens) } : task;
}

/** The engine of this page, shared with the other tabs where the browser can (a secure context has what it needs). */
export function createBrowserEngine(parts: Parts): SharedEngine {
  const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(CHANNEL);
  return new SharedEngine(parts, { locks: navigator.locks, channel });
}
