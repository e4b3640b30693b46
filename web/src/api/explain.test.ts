import { describe, expect, it } from "vitest";
import { LocalError } from "../engine/local/errors";
import { ERRORS } from "./errors";
import { explain, sentence } from "./explain";
import { PASSING, UNREACHABLE } from "./passing";
import { ApiError } from "./types";

describe("explain", () => {
  it("lets the server say it in its own words", () => {
    const error = new ApiError(
      404,
      "model_not_found",
      "There is no model called 'x'. GET /v1/models lists what there is.",
    );
    expect(explain(error)).toMatchObject({ code: "model_not_found", happened: error.message, todo: "", detail: "" });
  });

  it("has the table's words for what happens in the browser, and the program's own beside them", () => {
    const { message, action } = ERRORS.device_memory;
    expect(sentence(new LocalError("device_memory"))).toBe(`${message} ${action}`);
    expect(sentence(new LocalError("device_memory", "900 MiB are missing."))).toBe(
      `${message} ${action} (900 MiB are missing.)`,
    );
  });

  it("knows when nobody answered", () => {
    expect(explain(new TypeError("Failed to fetch")).code).toBe("unreachable");
    expect(explain(new TypeError("NetworkError when attempting to fetch resource.")).happened).toBe(
      ERRORS.unreachable.message,
    );
    expect(UNREACHABLE).toBe(`${ERRORS.unreachable.message} ${ERRORS.unreachable.action}`);
  });

  it.each([undefined, null, 0, {}, { code: "toString" }, new Error("")])("finds words for %j", (error) => {
    expect(explain(error)).toMatchObject({ code: "unknown", happened: ERRORS.unknown.message });
  });

  it("passes on what others say", () => {
    expect(sentence(new Error("A bug."))).toBe("A bug.");
    expect(sentence("Text.")).toBe("Text.");
  });
});

it("sends again only what the server has not taken and will take later", () => {
  for (const code of PASSING) expect(ERRORS[code as keyof typeof ERRORS].retry).toBe(true);
  expect([...PASSING].sort()).toEqual([
    "overloaded",
    "rate_limit_exceeded",
    "request_timeout",
    "shutting_down",
    "storage_full",
    "storage_unavailable",
    "unavailable",
  ]);
});

describe("what the pages say of an error", () => {
  // What a first page loads is without the table: there errors of the server come with whole sentences, others are explained on demand.
  const FIRST = ["agents/AgentList.tsx", "chat/ChatPage.tsx", "chat/LogButton.tsx", "chat/useModel.ts"];
  // An engine's own words, not an error that was thrown.
  const DATA = ["dashboard/EngineCard.tsx", "models/State.tsx"];
  // The reason of one field, which stands beside it.
  const FIELD = ["entry/entry.ts"];
  const sources = import.meta.glob<string>(["../{features,ui}/**/*.{ts,tsx}", "!../**/*.test.ts"], {
    query: "?raw",
    import: "default",
    eager: true,
  });

  it("is a sentence of the table, or the server's own", () => {
    const bare = Object.keys(sources).filter((path) => /\b(error|problem)\??\.message\b/.test(sources[path] ?? ""));
    expect(bare.map((path) => path.split("/").slice(2).join("/")).sort()).toEqual([...FIRST, ...DATA, ...FIELD].sort());
  });
});
