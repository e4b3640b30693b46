import { describe, expect, it } from "vitest";
import { ERRORS } from "../../api/errors";
import { failure, fromWire, isLocalCode, LocalError, localError, toWire } from "./errors";

describe("LocalError", () => {
  it("has the words and the recoverability of its row unless it is told others", () => {
    const plain = new LocalError("device_gpu_lost");
    expect(plain.message).toBe(ERRORS.device_gpu_lost.message);
    expect(plain.recoverable).toBe(true);
    const told = failure("device_memory", "3 GB are missing.", false, "model");
    expect([told.message, told.recoverable, told.param]).toEqual(["3 GB are missing.", false, "model"]);
  });

  it("goes through a channel and comes out the same", () => {
    const error = failure("device_stalled", "No progress for 30 s.", true, "x");
    const back = fromWire(JSON.parse(JSON.stringify(toWire(error))));
    expect(back).toBeInstanceOf(LocalError);
    expect(toWire(back)).toEqual(toWire(error));
  });

  it.each([undefined, null, 3, "x", {}, { code: "invalid_request" }, { code: "__proto__" }, { code: 7, message: 8 }])(
    "takes %j for a failure",
    (value) => {
      const error = fromWire(value);
      expect(error.code).toBe("device_generation_failed");
      expect(error.recoverable).toBe(false);
      expect(error.message).not.toBe("");
    },
  );

  it("bounds what others say and gives other errors a code", () => {
    expect(failure("device_load_failed", "x".repeat(9_000)).message).toHaveLength(500);
    expect(localError(new TypeError("no"), "device_load_failed").code).toBe("device_load_failed");
    const own = failure("device_offline");
    expect(localError(own, "device_load_failed")).toBe(own);
    expect(isLocalCode("toString")).toBe(false);
  });
});
