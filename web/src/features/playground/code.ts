import type { DialectId } from "./draft";
import type { Built } from "./request";

export type Language = "curl" | "python" | "javascript";

/** In which languages the request of a dialect can be had. */
export const LANGUAGES: readonly { id: Language; label: string }[] = [
  { id: "curl", label: "curl" },
  { id: "python", label: "Python" },
  { id: "javascript", label: "JavaScript" },
];

type Json = Record<string, unknown>;

/** What a client library calls the request, and how its stream is read. */
interface Library {
  /** The package. */
  name: string;
  /** What it adds to the server's address by itself. */
  base: string;
  open: string;
  call: string;
  /** The arguments that the Python library knows; all others go through `extra_body`. Null: it takes a body as it is. */
  known: readonly string[] | null;
  chunk: string;
  whole: string;
}

const CHAT = (
  "messages model frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata " +
  "modalities n parallel_tool_calls prediction presence_penalty reasoning_effort response_format seed stop store stream " +
  "stream_options temperature tool_choice tools top_logprobs top_p user"
).split(" ");
const RESPONSES = (
  "include input instructions max_output_tokens metadata model parallel_tool_calls previous_response_id reasoning store stream " +
  "temperature text tool_choice tools top_logprobs top_p truncation user"
).split(" ");
const MESSAGES =
  "max_tokens messages model metadata output_config stop_sequences stream system temperature thinking tool_choice tools top_k top_p".split(
    " ",
  );

const PYTHON: Readonly<Record<DialectId, Library>> = {
  openai_chat: {
    name: "openai",
    base: "/v1",
    open: 'OpenAI(base_url="{base}", api_key="none")',
    call: "client.chat.completions.create",
    known: CHAT,
    chunk: 'print(event.choices[0].delta.content or "", end="", flush=True) if event.choices else None',
    whole: "print(answer.choices[0].message.content)",
  },
  openai_responses: {
    name: "openai",
    base: "/v1",
    open: 'OpenAI(base_url="{base}", api_key="none")',
    call: "client.responses.create",
    known: RESPONSES,
    chunk: 'print(event.delta, end="", flush=True) if event.type == "response.output_text.delta" else None',
    whole: "print(answer.output_text)",
  },
  anthropic: {
    name: "anthropic",
    base: "",
    open: 'Anthropic(base_url="{base}", api_key="none")',
    call: "client.messages.create",
    known: MESSAGES,
    chunk:
      'print(getattr(event.delta, "text", ""), end="", flush=True) if event.type == "content_block_delta" else None',
    whole: 'print("".join(part.text for part in answer.content if part.type == "text"))',
  },
  ollama_chat: {
    name: "ollama",
    base: "/ollama",
    open: 'Client(host="{base}")',
    call: "client.chat",
    known: null,
    chunk: 'print(event.message.content or "", end="", flush=True)',
    whole: "print(answer.message.content)",
  },
};
const CLASSES: Readonly<Record<string, string>> = { openai: "OpenAI", anthropic: "Anthropic", ollama: "Client" };

/** A value of JSON as Python writes it. */
export function python(value: unknown, depth = 0): string {
  const inner = "    ".repeat(depth + 1);
  const outer = "    ".repeat(depth);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((one) => `${inner}${python(one, depth + 1)},\n`).join("")}${outer}]`;
  }
  if (typeof value === "object") {
    const entries = Object.entries(value as Json);
    if (entries.length === 0) return "{}";
    const lines = entries.map(([key, one]) => `${inner}${JSON.stringify(key)}: ${python(one, depth + 1)},\n`);
    return `{\n${lines.join("")}${outer}}`;
  }
  // Texts of JSON are texts of Python, but for halves of surrogate pairs, which JSON.stringify escapes alike.
  return JSON.stringify(value);
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(built: Built, origin: string): string {
  const headers = Object.entries(built.headers).map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)} \\\n`);
  return `curl -N ${quoted(origin + built.path)} \\\n${headers.join("")}  --data-binary ${quoted(built.body ?? "{}")}\n`;
}

function pythonCode(dialect: DialectId, body: Json, origin: string): string {
  const library = PYTHON[dialect];
  const { known } = library;
  const plain = Object.entries(body).filter(([name]) => known === null || known.includes(name));
  const rest = Object.entries(body).filter(([name]) => known !== null && !known.includes(name));
  if (rest.length > 0) plain.push(["extra_body", Object.fromEntries(rest)]);
  const stream = body.stream === true;
  const lines = plain.map(([name, value]) => `    ${name}=${python(value, 1)},\n`);
  const call = `${library.call}(\n${lines.join("")})`;
  const made = library.open.replace("{base}", origin + library.base);
  const [print = "", condition] = library.chunk.split(" if ");
  const shown = condition?.replace(" else None", "");
  const read = shown ? `    if ${shown}:\n        ${print}\n` : `    ${library.chunk}\n`;
  const used = stream ? `for event in ${call}:\n${read}` : `answer = ${call}\n${library.whole}\n`;
  return `from ${library.name} import ${CLASSES[library.name]}\n\nclient = ${made}\n\n${used}`;
}

function indented(body: Json): string {
  return JSON.stringify(body, null, 2);
}

function javascriptCode(dialect: DialectId, body: Json, origin: string): string {
  const stream = body.stream === true;
  const lines = {
    openai_chat: {
      open: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${origin}/v1", apiKey: "none" });`,
      call: "client.chat.completions.create",
      chunk: 'process.stdout.write(event.choices[0]?.delta.content ?? "");',
      whole: "console.log(answer.choices[0].message.content);",
    },
    openai_responses: {
      open: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${origin}/v1", apiKey: "none" });`,
      call: "client.responses.create",
      chunk: 'if (event.type === "response.output_text.delta") process.stdout.write(event.delta);',
      whole: "console.log(answer.output_text);",
    },
    anthropic: {
      open: `import Anthropic from "@anthropic-ai/sdk";\n\nconst client = new Anthropic({ baseURL: "${origin}", apiKey: "none" });`,
      call: "client.messages.create",
      chunk:
        'if (event.type === "content_block_delta" && event.delta.type === "text_delta") process.stdout.write(event.delta.text);',
      whole: 'console.log(answer.content.map((part) => (part.type === "text" ? part.text : "")).join(""));',
    },
    ollama_chat: {
      open: `import { Ollama } from "ollama";\n\nconst client = new Ollama({ host: "${origin}/ollama" });`,
      call: "client.chat",
      chunk: 'process.stdout.write(event.message.content ?? "");',
      whole: "console.log(answer.message.content);",
    },
  }[dialect];
  const made = `const answer = await ${lines.call}(${indented(body)});\n`;
  const used = stream ? `for await (const event of answer) {\n  ${lines.chunk}\n}\n` : `${lines.whole}\n`;
  return `${lines.open}\n\n${made}${used}`;
}

/** The request as a program in `language`, null while the request has faults. */
export function code(language: Language, dialect: DialectId, built: Built, origin: string): string | null {
  if (built.body === null) return null;
  if (language === "curl") return curl(built, origin);
  const body = JSON.parse(built.body) as Json;
  return language === "python" ? pythonCode(dialect, body, origin) : javascriptCode(dialect, body, origin);
}
