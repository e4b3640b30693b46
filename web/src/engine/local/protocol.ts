/**
 * What the page and the inference worker say to each other. Every message is looked at before it is believed, also those
 * of our own page: a message of another version of the app must fail, not be half understood.
 */
import { failure, type WireError } from "./errors";
import type { Plan } from "./plan";
import type { Backend, CompiledModel, LocalAnswer, LocalMessage, LocalSampling } from "./types";

export type Source = { kind: "gguf"; files: Blob[] } | { kind: "mlc"; model: CompiledModel };

export interface Work {
  messages: LocalMessage[];
  sampling: LocalSampling;
  schema?: object;
}

export interface Loaded {
  backend: Backend;
  threads: number;
  /** Tokens that prompt and answer may take together. */
  context: number;
}

export type Command =
  | { type: "LOAD"; id: string; payload: { source: Source; plan: Plan } }
  | { type: "GENERATE"; id: string; payload: Work }
  | { type: "ABORT"; id: string }
  | { type: "CLEANUP"; id: string };

export type Report =
  | { type: "PROGRESS"; id: string; payload: { fraction: number } }
  | { type: "LOADED"; id: string; payload: Loaded }
  | { type: "TOKEN"; id: string; payload: { text: string; tokens: number } }
  | { type: "COMPLETE"; id: string; payload?: LocalAnswer }
  | { type: "ERROR"; id: string; payload: WireError }
  /** Sent while there is work: timers of a hidden page are slowed down, those of a worker are not. */
  | { type: "ALIVE"; id: string };

/** Characters of all messages of a request together. */
export const PROMPT_LIMIT = 1_000_000;
const MESSAGE_LIMIT = 2_000;
const SCHEMA_LIMIT = 100_000;
const ID_LIMIT = 100;
const STOPS = 4;
const STOP_LENGTH = 64;
const ROLES = new Set(["system", "user", "assistant"]);

/** What a number of the sampling may be, both ends included. */
const RANGES: Record<Exclude<keyof LocalSampling, "stop">, [number, number, "whole" | "any"]> = {
  temperature: [0, 2, "any"],
  topP: [0, 1, "any"],
  topK: [0, 1_000, "whole"],
  minP: [0, 1, "any"],
  repeatPenalty: [0, 10, "any"],
  presencePenalty: [-2, 2, "any"],
  frequencyPenalty: [-2, 2, "any"],
  seed: [0, 0xffffffff, "whole"],
  maxTokens: [1, 32_768, "whole"],
};

type Fields = Record<string, unknown>;

function fields(value: unknown, param: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw failure("device_request_invalid", `${param} must be an object.`, false, param);
  }
  return value as Fields;
}

function checkMessages(value: unknown): LocalMessage[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MESSAGE_LIMIT) {
    throw failure("device_request_invalid", `There must be 1 to ${MESSAGE_LIMIT} messages.`, false, "messages");
  }
  let length = 0;
  const messages = value.map((entry, index) => {
    const { role, content } = fields(entry, `messages.${index}`);
    if (typeof role !== "string" || !ROLES.has(role)) {
      throw failure("device_request_invalid", "The role is not known.", false, `messages.${index}.role`);
    }
    if (typeof content !== "string") {
      throw failure("device_request_invalid", "The content must be text.", false, `messages.${index}.content`);
    }
    length += content.length;
    return { role, content } as LocalMessage;
  });
  if (length > PROMPT_LIMIT) {
    throw failure(
      "device_request_invalid",
      `The messages are longer than ${PROMPT_LIMIT} characters.`,
      false,
      "messages",
    );
  }
  return messages;
}

function checkStop(value: unknown): string[] {
  const good = (one: unknown) => typeof one === "string" && one !== "" && one.length <= STOP_LENGTH;
  if (Array.isArray(value) && value.length <= STOPS && value.every(good)) return value as string[];
  const message = `stop must be at most ${STOPS} texts of 1 to ${STOP_LENGTH} characters.`;
  throw failure("device_request_invalid", message, false, "sampling.stop");
}

function checkSampling(value: unknown): LocalSampling {
  const { stop, ...given } = fields(value ?? {}, "sampling");
  const sampling: LocalSampling = {};
  if (stop !== undefined && stop !== null) sampling.stop = checkStop(stop);
  for (const [name, number] of Object.entries(given)) {
    const range = RANGES[name as keyof typeof RANGES];
    const param = `sampling.${name}`;
    if (!range) throw failure("device_request_invalid", `${name} is not known.`, false, param);
    if (number === undefined || number === null) continue;
    const [low, high, kind] = range;
    const good = typeof number === "number" && number >= low && number <= high;
    if (!good || (kind === "whole" && !Number.isInteger(number))) {
      const what = kind === "whole" ? "a whole number" : "a number";
      throw failure("device_request_invalid", `${name} must be ${what} from ${low} to ${high}.`, false, param);
    }
    sampling[name as keyof typeof RANGES] = number;
  }
  return sampling;
}

/** The work of a request, checked and without anything else. Raises LocalError `device_request_invalid`. */
export function checkWork(value: unknown): Work {
  const { messages, sampling, schema } = fields(value, "request");
  const work: Work = { messages: checkMessages(messages), sampling: checkSampling(sampling) };
  if (schema === undefined || schema === null) return work;
  const form = fields(schema, "schema");
  let length: number;
  try {
    length = JSON.stringify(form).length;
  } catch {
    throw failure("device_request_invalid", "The schema cannot be written as JSON.", false, "schema");
  }
  if (length > SCHEMA_LIMIT) {
    throw failure("device_request_invalid", `The schema is longer than ${SCHEMA_LIMIT} characters.`, false, "schema");
  }
  return { ...work, schema: form };
}

function readId(message: Fields): string {
  if (typeof message.id !== "string" || message.id.length === 0 || message.id.length > ID_LIMIT) {
    throw failure("device_request_invalid", "A message must have an id.", false, "id");
  }
  return message.id;
}

function checkSource(value: unknown): Source {
  const source = fields(value, "source");
  if (source.kind === "gguf" && Array.isArray(source.files) && source.files.length > 0) {
    if (source.files.every((file) => file instanceof Blob)) return { kind: "gguf", files: source.files as Blob[] };
  }
  if (source.kind === "mlc") {
    const model = fields(source.model, "source.model");
    if ([model.id, model.url, model.library].every((part) => typeof part === "string")) {
      return { kind: "mlc", model: model as unknown as CompiledModel };
    }
  }
  throw failure("device_request_invalid", "The source of the model cannot be used.", false, "source");
}

function checkPlan(value: unknown): Plan {
  const plan = fields(value, "plan");
  const numbers = [plan.threads, plan.context, plan.batch];
  const good = numbers.every((part) => Number.isInteger(part) && (part as number) > 0);
  if (!good || (plan.backend !== "webgpu" && plan.backend !== "wasm")) {
    throw failure("device_request_invalid", "The plan of the loading cannot be used.", false, "plan");
  }
  return plan as unknown as Plan;
}

/** A message of the page, as the worker reads it. Raises LocalError `device_request_invalid`. */
export function readCommand(value: unknown): Command {
  const message = fields(value, "message");
  const id = readId(message);
  switch (message.type) {
    case "LOAD": {
      const payload = fields(message.payload, "payload");
      return { type: "LOAD", id, payload: { source: checkSource(payload.source), plan: checkPlan(payload.plan) } };
    }
    case "GENERATE":
      return { type: "GENERATE", id, payload: checkWork(message.payload) };
    case "ABORT":
    case "CLEANUP":
      return { type: message.type, id };
    default:
      throw failure("device_request_invalid", "The message is of no known type.", false, "type");
  }
}

const REPORTS = new Set(["PROGRESS", "LOADED", "TOKEN", "COMPLETE", "ERROR", "ALIVE"]);

/** A message of the worker, as the page reads it; null for what is none. */
export function readReport(value: unknown): Report | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, id, payload } = value as Fields;
  if (typeof type !== "string" || !REPORTS.has(type) || typeof id !== "string") return null;
  const body = payload as Fields | undefined;
  if (type === "TOKEN" && (typeof body?.text !== "string" || typeof body.tokens !== "number")) return null;
  if (type === "PROGRESS" && typeof body?.fraction !== "number") return null;
  if (type === "LOADED" && (typeof body?.threads !== "number" || typeof body.context !== "number")) return null;
  if (type === "ERROR" && typeof body?.code !== "string") return null;
  return value as Report;
}
