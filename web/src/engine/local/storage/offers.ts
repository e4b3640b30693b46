import { LocalError } from "../errors";
import { type Offer, type OfferedPart, sum } from "./types";

/** Models that are read of a list; a server has no more. */
const LIMIT = 5_000;
const PARTS = 5_000;
const TIMEOUT = 15_000;
const SUM = /^[0-9a-f]{64}$/;

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
  return models
    .slice(0, LIMIT)
    .map((one) => offer(one, response.url || url))
    .filter((one) => one !== null);
}

/** An entry of a list at `base`; null when it is none. */
function offer(value: unknown, base: string): Offer | null {
  const one = (typeof value === "object" && value !== null ? value : {}) as Partial<Record<keyof Offer, unknown>>;
  const { id, name, version, context, reason } = one;
  if (!text(id) || !text(name) || !text(version) || !Array.isArray(one.parts)) return null;
  if (one.parts.length === 0 || one.parts.length > PARTS) return null;
  const parts = one.parts.map((part) => offeredPart(part, base)).filter((part) => part !== null);
  if (parts.length !== one.parts.length) return null;
  return {
    id,
    name,
    version,
    bytes: sum(parts),
    parts,
    context: typeof context === "number" ? context : null,
    builtIn: one.builtIn === true,
    reason: text(reason) ? reason : null,
  };
}

function offeredPart(value: unknown, base: string): OfferedPart | null {
  const one = (typeof value === "object" && value !== null ? value : {}) as Partial<Record<keyof OfferedPart, unknown>>;
  const { name, bytes, sha256 = null, url } = one;
  if (!text(name) || typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 1) return null;
  if (sha256 !== null && !(typeof sha256 === "string" && SUM.test(sha256))) return null;
  if (url === undefined) return { name, bytes, sha256 };
  const place = typeof url === "string" && URL.canParse(url, base) ? new URL(url, base) : null;
  // A list names files of its own origin only.
  return place?.origin === new URL(base).origin ? { name, bytes, sha256, url: place.href } : null;
}

const text = (value: unknown): value is string => typeof value === "string" && value !== "";
