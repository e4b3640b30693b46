import { expect, it } from "vitest";
import type { Renewal } from "../../api/config";
import { summary } from "./renewal";

function renewal(states: Renewal["engines"][number]["state"][], more: Partial<Renewal> = {}): Renewal {
  const engines = states.map((state, at) => ({ name: `m${at}`, state }));
  return { running: false, stopping: false, by: "ann", startedAt: "2026-01-01T00:00:00.000Z", engines, ...more };
}

it.each([
  [["waiting", "waiting"], { running: true }, "0 of 2 engines done."],
  [["done", "restarting", "waiting"], { running: true }, "1 of 3 engines done. m1 is being restarted."],
  [
    ["failed", "restarting"],
    { running: true, stopping: true },
    "1 of 2 engines done. m1 is being restarted; then it ends.",
  ],
  [["done"], {}, "1 engine runs with what is set now."],
  [["done", "done", "failed"], {}, "2 engines run with what is set now; 1 did not come up with it."],
  [["done", "skipped"], {}, "1 engine runs with what is set now; 1 was left as it was."],
  [
    ["failed", "skipped", "skipped"],
    {},
    "No engine was restarted; 1 did not come up with it, 2 were left as they were.",
  ],
] as const)("tells of %j", (states, more, text) => {
  expect(summary(renewal([...states], more))).toBe(text);
});
