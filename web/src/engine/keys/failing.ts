/** What went wrong at a provider, as a row of the table of errors. No message has any of a key. */
import type { LocalCode } from "../../api/errors";
import { failure, LocalError } from "../local/errors";
import type { Fault } from "./wire";

/** Characters of a provider's own words that are shown. */
const MAX_MESSAGE = 240;
const CREDIT = /insufficient_quota|billing_|access_terminated|credit balance is too low|insufficient credit/i;
const CONTEXT =
  /context_length_exceeded|exceed_context_size|prompt is too long|maximum context length|context (window|length|size)/i;
const KEY = /authentication_error|permission_error|invalid_authentication|api[ _-]?key/i;
const LIMIT = /rate_limit/i;
const FAULT: readonly [RegExp, LocalCode][] = [
  [CREDIT, "device_provider_credit"],
  [KEY, "device_key_refused"],
  [LIMIT, "device_provider_limited"],
];

/** A failure that says when the provider takes the next request. */
export class ProviderError extends LocalError {
  constructor(
    code: LocalCode,
    message: string,
    /** Whether the same may be asked once more at once. */
    readonly again: boolean,
    /** Seconds. */
    readonly retryAfter?: number,
  ) {
    super(code, message);
  }
}

/** The provider's own words, without the key, control characters or more than a line of them. */
export function words(said: string, key: string): string {
  const without = key ? said.replaceAll(key, "…") : said;
  const line = without.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)} …` : line;
}

const told = (message: string) => (message ? `: ${message}` : ".");

/** An answer with a status of 400 and more. `said` is its error, `wait` the seconds of Retry-After. */
export function refused(host: string, status: number, said: Fault, wait: number | undefined): LocalError {
  const all = `${said.kind} ${said.message}`;
  // What is said here may repeat a part of the key. Some tell a wrong one with 400.
  if (status === 401 || status === 403 || status === 407 || (status === 400 && KEY.test(all)))
    return failure("device_key_refused", `${host} does not accept your key (status ${status}).`);
  if (status === 402 || CREDIT.test(all))
    return failure("device_provider_credit", `The account of your key has no credit left at ${host}.`);
  if (status === 429) {
    const when = wait === undefined ? "" : ` It takes the next one in ${Math.ceil(wait)} s.`;
    const message = `${host} takes no more requests from your key for now.${when}`;
    return new ProviderError("device_provider_limited", message, true, wait);
  }
  if (CONTEXT.test(all))
    return failure("device_context_exceeded", `The conversation is longer than the model reads${told(said.message)}`);
  if (status < 500 && status !== 408)
    return failure("device_provider_refused", `${host} refused the request${told(said.message || `status ${status}`)}`);
  const message = `${host} failed with status ${status}${told(said.message)}`;
  return new ProviderError("device_provider_failed", message, true, wait);
}

/** An error in the midst of an answer. */
export function faulted(host: string, { kind, message }: Fault): LocalError {
  const all = `${kind} ${message}`;
  if (CONTEXT.test(all)) return failure("device_context_exceeded");
  const code = FAULT.find(([pattern]) => pattern.test(all))?.[1] ?? "device_provider_failed";
  if (code === "device_key_refused") return failure(code);
  return failure(code, `${host} broke off${told(message || kind)}`);
}

export const broken = (host: string, how: string) => failure("device_provider_failed", `${host} ${how}`);

export const silent = (host: string, seconds: number) =>
  failure("device_provider_timeout", `${host} said nothing for ${seconds} s.`);

/** No answer at all: a browser does not say whether there was no way to it, or whether it does not allow pages to ask. */
export const unreachable = (host: string) =>
  failure("device_provider_unreachable", `${host} cannot be reached from this browser.`);
