import { SERVERLESS } from "../engine/edition";
import { UNREACHABLE } from "./passing";
import { type Agent, ApiError, type Message, type Model, type Sampling } from "./types";

/** Asks the control API. Rejects with `ApiError`. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  if (SERVERLESS) throw new ApiError(503, "unavailable", "There is no Corral server behind this page.");
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch(() => {
    throw new ApiError(503, "unavailable", UNREACHABLE);
  });
  const data = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null;
  if (!response.ok) {
    const error = data?.error;
    throw new ApiError(
      response.status,
      error?.code ?? "unknown",
      error?.message ?? `The server answered ${response.status}.`,
    );
  }
  return data as T;
}

const id = encodeURIComponent;
const modelPath = (name: string) => `/api/models/${name.split("/").map(id).join("/")}`;

/** Conversations, newest first. */
export const listAgents = async () => (await call<{ agents: Agent[] }>("GET", "/api/agents?limit=500")).agents;
export const renameAgent = (agent: string, title: string) =>
  call<Agent>("PATCH", `/api/agents/${id(agent)}`, { title });
export const deleteAgent = (agent: string) => call<unknown>("DELETE", `/api/agents/${id(agent)}`);
export const restoreAgent = (agent: string) => call<Agent>("POST", `/api/agents/${id(agent)}/restore`);

/** All messages of a conversation, page by page. */
export async function listMessages(agent: string): Promise<Message[]> {
  const all: Message[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page: { messages: Message[]; nextAfter?: number } = await call(
      "GET",
      `/api/agents/${id(agent)}/messages?after=${after}&limit=500`,
    );
    all.push(...page.messages);
    after = page.nextAfter;
  }
  return all;
}

export const listModels = async () => (await call<{ models: Model[] }>("GET", "/api/models")).models;
export const modelAction = (name: string, action: "start" | "stop" | "restart") =>
  call<Model>("POST", `${modelPath(name)}/${action}`);
export const rescanModels = () => call<unknown>("POST", "/api/llama-server/rescan");
export const createAgent = (model: string | null, sampling?: Sampling) =>
  call<Agent>("POST", "/api/agents", { ...(model && { model }), ...(sampling && { sampling }) });
/** `sampling` replaces all of it. */
export const changeAgent = (agent: string, change: { model?: string; sampling?: Sampling }) =>
  call<Agent>("PATCH", `/api/agents/${id(agent)}`, change);
