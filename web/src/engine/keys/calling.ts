/** One call of a provider, within its limits of time and size. */
import { framing } from "../frames";
import type { LocalAnswer, LocalStats } from "../local/types";
import { broken, faulted, ProviderError, refused, silent, unreachable, words } from "./failing";
import { type Chat, type Fault, faultOf, type Outgoing, type Piece, parsed, type Wire } from "./wire";

export interface Target {
  baseUrl: string;
  key: string;
  wire: Wire;
}

export interface Around {
  fetch: typeof fetch;
  /** Milliseconds that count up. */
  now(): number;
  /** Waits; rejects when the signal is aborted. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  patience: Patience;
}

/** Seconds until the first word of an answer, and between two pieces of it. */
export interface Patience {
  first: number;
  between: number;
}

export const PATIENCE: Patience = { first: 60, between: 30 };
const TRIES = 2;
/** Seconds before the second try, and the longest that a provider may ask for. */
const PAUSE = 1;
const LONGEST_PAUSE = 20;
const MAX_REQUEST = 4_000_000;
/** Characters: as many as the server takes of an answer. */
const MAX_ANSWER = 200_000;
/** Characters of one event, of a whole stream, of an error, of a list of models. */
const MAX_EVENT = 1_000_000;
const MAX_STREAM = 64_000_000;
const MAX_ERROR = 64_000;
const MAX_LIST = 8_000_000;
/** Models of a list that are told. */
const MAX_LISTED = 2_000;

/** Asks for an answer. `onText` gets it piece by piece. An aborted one is no error. Rejects with LocalError only. */
export async function chat(
  target: Target,
  asked: Chat,
  onText: (text: string) => void,
  signal: AbortSignal,
  around: Around,
): Promise<LocalAnswer> {
  const outgoing = target.wire.chat(asked, target.key);
  const answer = new Answer(around);
  try {
    await trying(target, outgoing, signal, around, (call) =>
      call.stream((piece) => {
        const text = answer.take(piece);
        if (text) onText(text);
        return !answer.full;
      }, answer),
    );
  } catch (error) {
    if (!signal.aborted) throw error;
    return answer.whole("aborted");
  }
  const host = new URL(target.baseUrl).host;
  if (answer.text === "" && answer.stop === "refused") throw broken(host, "did not want to answer this.");
  if (answer.text === "" && answer.stop === "length")
    throw broken(host, "used all tokens of the answer up before its first word. Allow a longer answer.");
  if (answer.text === "") throw broken(host, "gave an empty answer.");
  return answer.whole(answer.stop === "length" ? "length" : "stop");
}

/** The provider's models, at most 2,000 of them. */
export async function models(target: Target, signal: AbortSignal, around: Around): Promise<string[]> {
  const said = await trying(target, target.wire.models(target.key), signal, around, (call) => call.whole(MAX_LIST));
  let body: unknown;
  try {
    body = JSON.parse(said);
  } catch {
    body = null;
  }
  const found = target.wire.list(body);
  if (!found) throw broken(new URL(target.baseUrl).host, "has no list of models at this address.");
  return [...new Set(found)].sort((one, other) => one.localeCompare(other)).slice(0, MAX_LISTED);
}

/** Calls once, and once more where the provider says that it may help and nothing has been said yet. */
async function trying<T>(
  target: Target,
  outgoing: Outgoing,
  signal: AbortSignal,
  around: Around,
  read: (call: Call) => Promise<T>,
): Promise<T> {
  let sent = outgoing;
  for (let left = TRIES - 1; ; left -= 1) {
    const call = new Call(target, signal, around);
    try {
      await call.open(sent);
      return await read(call);
    } catch (error) {
      signal.throwIfAborted();
      const less = left > 0 ? withoutUsage(sent, error) : null;
      if (less) {
        sent = less;
        continue;
      }
      if (left <= 0 || !(error instanceof ProviderError) || !error.again) throw error;
      const pause = error.retryAfter ?? PAUSE;
      if (pause > LONGEST_PAUSE) throw error;
      await around.sleep(pause * 1_000, signal);
    } finally {
      call.close();
    }
  }
}

/** The request without asking for the usage, which some services do not know; null where that was not the reason. */
function withoutUsage(sent: Outgoing, error: unknown): Outgoing | null {
  if (!sent.body?.stream_options || !(error instanceof Error) || !/stream_options|include_usage/.test(error.message))
    return null;
  const { stream_options: _, ...body } = sent.body;
  return { ...sent, body };
}

/** What has come of an answer. */
class Answer {
  text = "";
  stop: Piece["stop"];
  done = false;
  private promptTokens = 0;
  private tokens: number | undefined;
  private pieces = 0;
  private readonly begun: number;
  private first: number | null = null;
  private last = 0;

  constructor(private readonly around: Around) {
    this.begun = around.now();
  }

  get full(): boolean {
    return this.text.length >= MAX_ANSWER;
  }

  /** Takes a piece in; gives what is new of the text. */
  take(piece: Piece): string {
    this.promptTokens = piece.promptTokens ?? this.promptTokens;
    this.tokens = piece.tokens ?? this.tokens;
    this.stop = piece.stop ?? this.stop;
    this.done ||= piece.done === true;
    if (!piece.text) return "";
    const text = piece.text.slice(0, MAX_ANSWER - this.text.length);
    this.text += text;
    this.pieces += 1;
    this.last = this.around.now();
    this.first ??= this.last;
    if (this.full) this.stop = "length";
    return text;
  }

  whole(stop: LocalAnswer["stop"]): LocalAnswer {
    const tokens = this.tokens ?? this.pieces;
    const took = this.last - (this.first ?? this.last);
    const stats: LocalStats = {
      promptTokens: this.promptTokens,
      tokens,
      firstTokenMs: (this.first ?? this.begun) - this.begun,
      tokensPerSecond: took > 0 && tokens > 1 ? ((tokens - 1) * 1_000) / took : 0,
      backend: "provider",
      threads: 0,
    };
    return { text: this.text, stop, stats };
  }
}

/** One request and its answer. */
class Call {
  private readonly host: string;
  private readonly ending = new AbortController();
  private readonly stop = () => this.ending.abort();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private waited: number | null = null;
  private response: Response | null = null;

  constructor(
    private readonly target: Target,
    private readonly signal: AbortSignal,
    private readonly around: Around,
  ) {
    this.host = new URL(target.baseUrl).host;
    signal.addEventListener("abort", this.stop, { once: true });
  }

  /** Sends it; settles with the head of a good answer. */
  async open({ method, path, headers, body }: Outgoing): Promise<void> {
    this.signal.throwIfAborted();
    const text = body && JSON.stringify(body);
    if (text && text.length > MAX_REQUEST) throw broken(this.host, "cannot be asked this much at once.");
    this.wait(this.around.patience.first);
    try {
      this.response = await this.around.fetch(this.target.baseUrl + path, {
        method,
        headers: { ...headers, accept: "text/event-stream, application/json", ...(text && JSON_BODY) },
        body: text,
        signal: this.ending.signal,
        mode: "cors",
        // No cookie, no address of this page, no copy on disk; and the key goes to nobody that the provider names.
        credentials: "omit",
        referrerPolicy: "no-referrer",
        cache: "no-store",
        redirect: "error",
      });
    } catch {
      throw this.waited === null ? unreachable(this.host) : silent(this.host, this.waited);
    }
    if (!this.response.ok) throw await this.refusal(this.response);
  }

  /** Reads events until the provider says that it is done, or `take` wants no more. */
  async stream(take: (piece: Piece) => boolean, answer: Answer): Promise<void> {
    const frames = framing(this.response?.headers.get("content-type") ?? "", MAX_EVENT);
    if (!frames) throw await this.unexpected();
    const deadline = this.around.now() + this.around.patience.first * 1_000;
    let begun = false;
    for await (const text of this.texts(MAX_STREAM, () => (begun ? null : deadline))) {
      let found: ReturnType<typeof frames.push>;
      try {
        found = frames.push(text);
      } catch {
        throw broken(this.host, "sent an event without end.");
      }
      for (const frame of found) {
        const piece = this.target.wire.read(frame);
        if (!piece) throw broken(this.host, "sent something that is no answer.");
        if (piece.fault) throw faulted(this.host, this.said(piece.fault));
        begun ||= !!piece.text || piece.thought === true;
        if (!take(piece) || answer.done) return;
      }
    }
    // Some services do not say that they are done, but all say why they stopped.
    if (!answer.stop) throw broken(this.host, "broke its answer off.");
  }

  /** The whole answer. Rejects when it is longer than `limit` characters. */
  async whole(limit: number): Promise<string> {
    let all = "";
    for await (const text of this.texts(limit, () => null)) all += text;
    return all;
  }

  close(): void {
    clearTimeout(this.timer);
    this.signal.removeEventListener("abort", this.stop);
    this.ending.abort();
  }

  private async *texts(limit: number, deadline: () => number | null): AsyncGenerator<string> {
    const reader = this.response?.body?.getReader();
    if (!reader) return;
    const decoder = new TextDecoder();
    let length = 0;
    for (;;) {
      const until = deadline();
      const left = until === null ? Number.POSITIVE_INFINITY : (until - this.around.now()) / 1_000;
      if (left <= 0) throw silent(this.host, this.around.patience.first);
      const { first, between } = this.around.patience;
      this.wait(Math.min(left, between), left < between ? first : between);
      const { done, value } = await reader.read().catch(() => {
        throw this.waited === null ? broken(this.host, "broke off.") : silent(this.host, this.waited);
      });
      const text = decoder.decode(value, { stream: !done });
      length += text.length;
      if (length > limit) throw broken(this.host, "sent more than is taken.");
      if (text) yield text;
      if (done) return;
    }
  }

  private async refusal({ status, headers }: Response): Promise<Error> {
    const said = await this.whole(MAX_ERROR).catch(() => "");
    const body = parsed(said);
    const fault = (body && faultOf(body)) ?? { kind: "", message: "" };
    const seconds = Number.parseFloat(headers.get("retry-after") ?? "");
    const wait = seconds >= 0 && seconds < 1e6 ? seconds : undefined;
    return refused(this.host, status, this.said(fault), wait);
  }

  /** A good status, and no stream: an error all the same, or a page of somebody else. */
  private async unexpected(): Promise<Error> {
    const body = parsed(await this.whole(MAX_ERROR).catch(() => ""));
    const fault = body && faultOf(body);
    if (fault) return faulted(this.host, this.said(fault));
    return broken(this.host, "answered with something that is no stream. Look at the address.");
  }

  private said({ kind, message }: Fault): Fault {
    return { kind: words(kind, this.target.key), message: words(message, this.target.key) };
  }

  /** From now on it may say nothing for so many seconds, which are `told` when they are over. */
  private wait(seconds: number, told = seconds): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.waited = told;
      this.ending.abort();
    }, seconds * 1_000);
  }
}

const JSON_BODY = { "content-type": "application/json" };
