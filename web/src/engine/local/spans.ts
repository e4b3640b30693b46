import type { PageSpan } from "../../api/debug";
import { hex } from "../ids";
import type { Told } from "./answering";

/** What an answer of this device took, as spans; the same request id as everything else of that message. */
export function spansOf({ key, model, begun, first, ended, turnId, stats, code }: Told): PageSpan[] {
  const traceId = hex(16);
  const whole = hex(8);
  const below = (name: string, start: number, end: number, more: Partial<PageSpan>): PageSpan => ({
    requestId: key,
    traceId,
    id: hex(8),
    parentId: whole,
    name,
    start,
    ms: Math.max(0, end - start),
    ...more,
  });
  const { parentId: _, ...root } = below("answer on this device", begun, ended, { id: whole, error: code ?? "" });
  const facts = { model, ...(turnId !== undefined && { turn: turnId }), ...(stats && told(stats)) };
  const marks = first === 0 ? [] : [{ at: first, name: "first token received" }];
  const spans: PageSpan[] = [{ ...root, attributes: facts, marks }];
  if (first !== 0) {
    const { tokens = 0, tokensPerSecond = 0 } = stats ?? {};
    spans.push(
      below("wait for the first token", begun, first, {}),
      below("write the answer", first, ended, { attributes: { tokens, tokensPerSecond } }),
    );
  }
  return spans;
}

const told = ({ backend, threads = 0, promptTokens = 0, tokens = 0 }: NonNullable<Told["stats"]>) => ({
  backend: backend ?? "",
  threads,
  promptTokens,
  tokens,
});
