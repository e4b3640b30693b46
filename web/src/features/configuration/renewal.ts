import type { Renewal } from "../../api/config";

/** What becomes of an engine, in words. */
export const STEPS: Readonly<Record<Renewal["engines"][number]["state"], string>> = {
  waiting: "waits",
  restarting: "starting anew…",
  done: "runs with what is set ✓",
  failed: "not restarted",
  skipped: "left as it was",
};

export const counted = (count: number) => (count === 1 ? "1 engine" : `${count} engines`);

/** How far it is, or what came of it, in a sentence. */
export function summary({ running, stopping, engines }: Renewal): string {
  const of = (state: string) => engines.filter((engine) => engine.state === state).length;
  const [done, failed, skipped] = [of("done"), of("failed"), of("skipped")];
  if (running) {
    const at = engines.find((engine) => engine.state === "restarting");
    const now = at ? ` ${at.name} is being restarted${stopping ? "; then it ends" : ""}.` : "";
    return `${done + failed + skipped} of ${counted(engines.length)} done.${now}`;
  }
  const left = [
    failed > 0 ? `${failed} did not come up with it` : null,
    skipped > 0
      ? `${skipped} ${skipped === 1 ? "was" : "were"} left as ${skipped === 1 ? "it was" : "they were"}`
      : null,
  ].filter(Boolean);
  const begin =
    done === 1 ? "1 engine runs" : `${done === 0 ? "No engine" : done} ${done === 0 ? "was restarted" : "engines run"}`;
  return `${begin}${done === 0 ? "" : " with what is set now"}${left.length > 0 ? `; ${left.join(", ")}` : ""}.`;
}
