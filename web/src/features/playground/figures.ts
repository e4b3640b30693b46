import { whole } from "../../ui/format";
import type { Run } from "./run";

/** Seconds of writing from which on a speed is told. */
const SHORTEST = 0.1;

/** Milliseconds as a short text: 8 ms, 0.31 s, 12.4 s. */
export function milliseconds(value: number): string {
  if (value < 100) return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  return `${(value / 1_000).toFixed(value < 10_000 ? 2 : 1)} s`;
}

/** Tokens a second after the first content, null where that cannot be told. */
export function rate({ answer, contentAt, endAt, events }: Run): number | null {
  if (!answer.completionTokens || contentAt === null || endAt === null || events.length === 0) return null;
  const seconds = (endAt - contentAt) / 1_000;
  // The first token came with the first content. What came at one go says nothing about speed.
  return seconds >= SHORTEST && answer.completionTokens > 1 ? (answer.completionTokens - 1) / seconds : null;
}

/** The value of a header of the answer, null when it has none of that name. */
export function header(run: Run, name: string): string | null {
  return run.headers.find(([known]) => known === name)?.[1] ?? null;
}

/** What is known of a run in a few words each. */
export function facts(run: Run): string[] {
  const { answer } = run;
  const speed = rate(run);
  const provider = header(run, "x-corral-provider");
  const model = header(run, "x-corral-model");
  const attempts = Number(header(run, "x-corral-attempts") ?? 1);
  const cache = header(run, "x-corral-cache");
  const cached = answer.cachedTokens ? `, ${whole(answer.cachedTokens)} of them cached` : "";
  return [
    provider ? `by ${provider}${model ? `/${model}` : ""}` : null,
    attempts > 1 ? `${attempts} attempts` : null,
    cache && cache !== "bypass" ? `cache ${cache}` : null,
    answer.promptTokens === null ? null : `${whole(answer.promptTokens)} tokens read${cached}`,
    answer.completionTokens === null ? null : `${whole(answer.completionTokens)} tokens written`,
    speed === null ? null : `${speed.toFixed(speed < 10 ? 1 : 0)} tok/s`,
    answer.reason ? `ended with ${answer.reason}` : null,
  ].filter((fact) => fact !== null);
}

/** The parts of a run's time, each from 0 to 1 of the whole. */
export function spans(run: Run): { label: string; from: number; to: number; text: string }[] {
  const end = run.endAt ?? run.events.at(-1)?.at ?? run.headersAt;
  if (end === null || end <= 0 || run.headersAt === null) return [];
  const content = run.contentAt ?? end;
  return [
    { label: "Until the head of the answer", from: 0, to: run.headersAt },
    { label: "Until the first content", from: run.headersAt, to: content },
    { label: "Writing", from: content, to: end },
  ].map(({ label, from, to }) => ({ label, from: from / end, to: to / end, text: milliseconds(to - from) }));
}
