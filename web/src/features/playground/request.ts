import { DIALECTS, type Draft, type DraftMessage, PARAMETERS, type Parameter } from "./draft";

type Json = Record<string, unknown>;

/** A request as it will be sent, and what is wrong with the fields it is made from. */
export interface Built {
  path: string;
  headers: Readonly<Record<string, string>>;
  /** Null while a field is wrong. */
  body: string | null;
  /** By the key of a parameter, or `model`, `tools`, `schema`, `extra`, `body`. */
  problems: Readonly<Record<string, string>>;
}

interface Tool {
  name: string;
  description?: string;
  parameters?: unknown;
}

/** What Anthropic's format needs when nothing is said. */
const ANTHROPIC_MAX_TOKENS = 1_024;

/** Puts `value` at a dotted path. */
function put(body: Json, field: string, value: unknown): void {
  const names = field.split(".");
  const last = names.pop() ?? field;
  let place = body;
  for (const name of names) {
    place[name] ??= {};
    place = place[name] as Json;
  }
  place[last] = value;
}

function bounds({ minimum, maximum }: Parameter): string {
  if (maximum === undefined || maximum > 1_000_000) return `from ${minimum}`;
  return `${minimum} to ${maximum}`;
}

/** The value of a parameter as it was typed. Throws with what is wrong. */
function readValue(parameter: Parameter, typed: string): unknown {
  if (parameter.kind === "choice") return typed === "true" ? true : typed === "false" ? false : typed;
  if (parameter.kind === "texts") return typed.split("\n").filter((line) => line !== "");
  const value = Number(typed.replace(",", "."));
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = parameter;
  const whole = parameter.kind === "whole";
  if (!Number.isFinite(value) || (whole && !Number.isInteger(value)) || value < minimum || value > maximum)
    throw new Error(`${whole ? "A whole number" : "A number"}, ${bounds(parameter)}.`);
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Not JSON: ${(error as Error).message}`);
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Tools as they were typed: a list of `{name, description, parameters}`, or the same wrapped as OpenAI's chats have it. */
function toolsOf(text: string): Tool[] {
  const list = parsed(text);
  if (!Array.isArray(list)) throw new Error("A list of tools: [{name, description, parameters}].");
  return list.map((entry, at) => {
    const found = isObject(entry) && isObject(entry.function) ? entry.function : entry;
    if (!isObject(found) || typeof found.name !== "string" || found.name === "")
      throw new Error(`Tool ${at + 1} has no name.`);
    const { name, description, parameters, input_schema } = found;
    return {
      name,
      ...(typeof description === "string" && { description }),
      parameters: parameters ?? input_schema ?? { type: "object", properties: {} },
    };
  });
}

function objectOf(text: string, what: string): Json {
  const found = parsed(text);
  if (!isObject(found)) throw new Error(`${what} is an object.`);
  return found;
}

/** The parts of a data URL. */
function picture(url: string): { type: string; data: string } {
  const [, type = "image/png", data = ""] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
  return { type, data };
}

function openaiMessage(one: DraftMessage): Json {
  if (one.role === "tool") return { role: "tool", tool_call_id: one.callId, content: one.content };
  if (one.role === "assistant" && one.calls.length > 0)
    return {
      role: "assistant",
      content: one.content || null,
      tool_calls: one.calls.map(({ id, name, arguments: json }) => ({
        id,
        type: "function",
        function: { name, arguments: json },
      })),
    };
  if (one.images.length === 0) return { role: one.role, content: one.content };
  const images = one.images.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role: one.role, content: [{ type: "text", text: one.content }, ...images] };
}

function chatBody(draft: Draft, body: Json, tools: Tool[], schema: Json | null): void {
  const system = draft.system === "" ? [] : [{ role: "system", content: draft.system }];
  body.messages = [...system, ...draft.messages.map(openaiMessage)];
  if (tools.length > 0) body.tools = tools.map((tool) => ({ type: "function", function: tool }));
  if (schema) body.response_format = { type: "json_schema", json_schema: { name: "answer", schema, strict: true } };
  body.stream = draft.stream;
  if (draft.stream) body.stream_options = { include_usage: true };
}

function responsesItems(one: DraftMessage): Json[] {
  if (one.role === "tool") return [{ type: "function_call_output", call_id: one.callId, output: one.content }];
  const calls = one.calls.map(({ id, name, arguments: json }) => ({
    type: "function_call",
    call_id: id,
    name,
    arguments: json,
  }));
  const images = one.images.map((url) => ({ type: "input_image", image_url: url }));
  const content = images.length > 0 ? [{ type: "input_text", text: one.content }, ...images] : one.content;
  return one.content === "" && calls.length > 0 ? calls : [{ role: one.role, content }, ...calls];
}

function responsesBody(draft: Draft, body: Json, tools: Tool[], schema: Json | null): void {
  if (draft.system !== "") body.instructions = draft.system;
  body.input = draft.messages.flatMap(responsesItems);
  if (tools.length > 0) body.tools = tools.map((tool) => ({ type: "function", ...tool }));
  if (schema) body.text = { format: { type: "json_schema", name: "answer", schema, strict: true } };
  body.store = false;
  body.stream = draft.stream;
}

function anthropicMessage(one: DraftMessage): Json {
  if (one.role === "tool")
    return { role: "user", content: [{ type: "tool_result", tool_use_id: one.callId, content: one.content }] };
  const images = one.images.map((url) => {
    const { type, data } = picture(url);
    return { type: "image", source: { type: "base64", media_type: type, data } };
  });
  const calls = one.calls.map(({ id, name, arguments: json }) => ({
    type: "tool_use",
    id,
    name,
    input: parsed(json || "{}"),
  }));
  if (images.length + calls.length === 0) return { role: one.role, content: one.content };
  const text = one.content === "" ? [] : [{ type: "text", text: one.content }];
  return { role: one.role, content: [...images, ...text, ...calls] };
}

/** Results of several calls go into one message: roles take turns in this format. */
function joined(messages: readonly Json[]): Json[] {
  const all: Json[] = [];
  for (const one of messages) {
    const last = all.at(-1);
    const both = last && last.role === one.role && Array.isArray(last.content) && Array.isArray(one.content);
    if (both) last.content = [...(last.content as unknown[]), ...(one.content as unknown[])];
    else all.push(one);
  }
  return all;
}

function anthropicBody(draft: Draft, body: Json, tools: Tool[], schema: Json | null): void {
  body.max_tokens ??= ANTHROPIC_MAX_TOKENS;
  const thinking = body.thinking as Json | undefined;
  if (thinking) body.thinking = { type: "enabled", ...thinking };
  if (draft.system !== "") body.system = draft.system;
  body.messages = joined(draft.messages.map(anthropicMessage));
  if (tools.length > 0) body.tools = tools.map(({ parameters, ...tool }) => ({ ...tool, input_schema: parameters }));
  if (schema) body.output_config = { format: { type: "json_schema", schema } };
  body.stream = draft.stream;
}

function ollamaMessage(one: DraftMessage): Json {
  if (one.role === "tool") return { role: "tool", tool_name: one.name, content: one.content };
  return {
    role: one.role,
    content: one.content,
    ...(one.images.length > 0 && { images: one.images.map((url) => picture(url).data) }),
    ...(one.calls.length > 0 && {
      tool_calls: one.calls.map((call) => ({
        function: { name: call.name, arguments: parsed(call.arguments || "{}") },
      })),
    }),
  };
}

function ollamaBody(draft: Draft, body: Json, tools: Tool[], schema: Json | null): void {
  const system = draft.system === "" ? [] : [{ role: "system", content: draft.system }];
  body.messages = [...system, ...draft.messages.map(ollamaMessage)];
  if (tools.length > 0) body.tools = tools.map((tool) => ({ type: "function", function: tool }));
  if (schema) body.format = schema;
  body.stream = draft.stream;
}

const WRITERS = {
  openai_chat: chatBody,
  openai_responses: responsesBody,
  anthropic: anthropicBody,
  ollama_chat: ollamaBody,
} as const;

/** The request that a draft asks for. */
export function build(draft: Draft): Built {
  const dialect = DIALECTS.find((one) => one.id === draft.dialect) ?? DIALECTS[0];
  const problems: Record<string, string> = {};
  const attempt = <T>(key: string, make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      problems[key] = (error as Error).message;
      return undefined;
    }
  };
  const place = { path: dialect?.path ?? "", headers: { "content-type": "application/json", ...dialect?.headers } };
  if (draft.body !== null) {
    const text = draft.body;
    attempt("body", () => objectOf(text, "The body"));
    return { ...place, body: problems.body === undefined ? text : null, problems };
  }
  const body: Json = { model: draft.model.trim() };
  if (body.model === "") problems.model = "Choose a model.";
  for (const parameter of PARAMETERS[draft.dialect]) {
    const typed = draft.parameters[parameter.key] ?? "";
    if (typed.trim() === "") continue;
    attempt(parameter.key, () => put(body, parameter.field, readValue(parameter, typed)));
  }
  const given = (text: string) => text.trim() !== "";
  const tools = given(draft.tools) ? attempt("tools", () => toolsOf(draft.tools)) : [];
  const schema = given(draft.schema) ? attempt("schema", () => objectOf(draft.schema, "A schema")) : null;
  const extra = given(draft.extra) ? attempt("extra", () => objectOf(draft.extra, "Further fields")) : {};
  attempt("messages", () => WRITERS[draft.dialect](draft, body, tools ?? [], schema ?? null));
  const good = Object.keys(problems).length === 0;
  return { ...place, body: good ? JSON.stringify({ ...body, ...extra }, null, 2) : null, problems };
}

/** A body for the eye: what is very long, such as pictures, is told by its length. */
export function abridged(body: string, most = 2_000): string {
  const long = /"(?:[^"\\]|\\.){2000,}"/g;
  if (body.length <= most) return body;
  return body.replace(long, (text) => `"${text.slice(1, 41)}… (${text.length - 2} characters)"`);
}
