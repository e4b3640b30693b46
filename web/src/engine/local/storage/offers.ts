import { LocalError } from "../errors";
import type { Offer, OfferedPart } from "./types";

/** Models that are read of a list; a server has no more. */
const LIMIT = 5_000;
const PARTS = 5_000;
const TIMEOUT = 15_000;

/** What is offered at `url`. Rejects with LocalError. */
export async function readOffers(url: string, signal?: AbortSignal): Promise<Offer[]> {
  const limit = AbortSignal.timeout(TIMEOUT);
  let response: Response;
  try {
    response = await fetch(url, { signal: signal ? AbortSignal.any([signal, limit]) : limit, cache: "no-store" });
  } catch {
    throw new LocalError("device_offline", "The server cannot be reached.", true);
  }
  if (response.status === 401 || response.status === 403)
    throw new LocalError("device_forbidden", "The server does not let this account see its models.", false);
  const body: unknown = await response.json().catch(() => null);
  const models =
    response.ok && typeof body === "object" && body !== null ? (body as { models?: unknown }).models : null;
  if (!Array.isArray(models)) throw new LocalError("device_offline", `The server answered ${response.status}.`, true);
  return models.slice(0, LIMIT).filter(isOffer);
}

function isOffer(value: unknown): value is Offer {
  const one = value as Offer;
  return (
    typeof one === "object" &&
    one !== null &&
    [one.id, one.name, one.version].every((text) => typeof text === "string" && text !== "") &&
    Array.isArray(one.parts) &&
    one.parts.length > 0 &&
    one.parts.length <= PARTS &&
    one.parts.every(isPart)
  );
}

function isPart(part: OfferedPart): boolean {
  return (
    typeof part?.name === "string" &&
    Number.isSafeInteger(part.bytes) &&
    part.bytes >= 0 &&
    (part.sha256 === null || /^[0-9a-f]{64}$/.test(part.sha256)) &&
    // A list names files of its own origin only.
    (part.url === undefined ||
      (typeof part.url === "string" && new URL(part.url, location.href).origin === location.origin))
  );
}
