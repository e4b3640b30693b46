import type { Hardware } from "../../api/hardware";
import type { Capabilities } from "../../engine/local/capabilities";
import type { Judged } from "../../engine/local/verdict";
import type { Check } from "./checks";

export interface Row extends Judged {
  name: string;
  bytes: number;
}

export interface Report {
  /** ISO 8601. */
  at: string;
  userAgent: string;
  summary: string;
  capabilities: Capabilities;
  checks: readonly Check[];
  models: readonly Row[];
  /** Null where no server could be asked. */
  server: Hardware | null;
}

const SIGNS: Record<string, string> = { ok: "ok", note: "note", missing: "MISSING", problem: "PROBLEM" };
const WORDS = { fits: "fits", tight: "tight", no: "no" };

const line = (sign: string, name: string, value: string, more: string) =>
  `${sign.padEnd(8)}${name}: ${value}${more ? `\n        ${more}` : ""}`;

/** The report as a text to read or to send. */
export function asText(report: Report): string {
  const checks = report.checks.map((one) => line(SIGNS[one.level] ?? one.level, one.name, one.value, one.remedy));
  const models = report.models.map((one) => line(WORDS[one.verdict], one.name, one.reason, ""));
  const server = report.server?.checks.map((one) =>
    line(SIGNS[one.level] ?? one.level, one.name, one.text, one.remedy),
  );
  return [
    `Corral compatibility, ${report.at}`,
    report.userAgent,
    report.summary,
    "",
    "This browser",
    ...checks,
    "",
    "Models in this browser",
    ...(models.length > 0 ? models : ["none known"]),
    "",
    "The server",
    ...(server ?? ["not asked"]),
    "",
  ].join("\n");
}

/** The report for programs. */
export const asJson = (report: Report): string => JSON.stringify(report, null, 2);
