import { ERRORS, type ErrorCode, type ErrorRow } from "./errors";

/** What a person is told of an error. */
export interface Explained {
  code: ErrorCode;
  row: ErrorRow;
  /** What happened. */
  happened: string;
  /** What to do; empty where `happened` says it. */
  todo: string;
  /** What a program said of it, where that is more. */
  detail: string;
}

/** What to tell of anything that was thrown. Messages of the server say themselves what happened and what to do. */
export function explain(error: unknown): Explained {
  const { code, message } = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  const said = typeof message === "string" ? message : typeof error === "string" ? error : "";
  const known = typeof code === "string" && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : null;
  if (known === null) {
    // How a browser says that nobody answered.
    const place = error instanceof TypeError && /fetch|network|load failed/i.test(said) ? "unreachable" : "unknown";
    return place === "unreachable" || said === ""
      ? ofRow(place, said)
      : { ...ofRow(place, ""), happened: said, todo: "" };
  }
  if (ERRORS[known].status === null || said === "") return ofRow(known, said);
  return { code: known, row: ERRORS[known], happened: said, todo: "", detail: "" };
}

/** The same in one line. */
export function sentence(error: unknown): string {
  const { happened, todo, detail } = explain(error);
  return [happened, todo, detail && `(${detail})`].filter(Boolean).join(" ");
}

function ofRow(code: ErrorCode, said: string): Explained {
  const row: ErrorRow = ERRORS[code];
  return { code, row, happened: row.message, todo: row.action, detail: said === row.message ? "" : said };
}
