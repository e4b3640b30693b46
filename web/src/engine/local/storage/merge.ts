/** What pages see: the server's offers and what is stored, as one list. */
import type { DeviceModel } from "../files";
import { type Offer, type Progress, type StoredModel, storedOf, sum } from "./types";

/** All models that are offered or stored, the included one first, then by name. */
export function merged(
  offers: readonly Offer[],
  models: readonly StoredModel[],
  progress: ReadonlyMap<string, Progress>,
): DeviceModel[] {
  const ids = new Set([...offers.map(({ id }) => id), ...models.map(({ id }) => id)]);
  return [...ids]
    .map((id) => {
      const offer = offers.find((one) => one.id === id);
      const mine = models.filter((one) => one.id === id);
      return one(id, offer, mine, progress);
    })
    .sort((a, b) => Number(b.builtIn) - Number(a.builtIn) || a.name.localeCompare(b.name));
}

function one(
  id: string,
  offer: Offer | undefined,
  mine: readonly StoredModel[],
  progress: ReadonlyMap<string, Progress>,
): DeviceModel {
  const whole = mine.find((model) => model.whole);
  const going = mine.find((model) => !model.whole && (!offer || model.version === offer.version));
  const state = stateOf(whole, going);
  const shown = state === "ready" ? whole : going;
  const live = state === "downloading" && going ? progress.get(going.key) : undefined;
  const facts = offer ?? going ?? whole;
  const bytes = offer ? sum(offer.parts) : sum((going ?? whole)?.parts ?? []);
  const stored = Math.max(live?.stored ?? 0, shown ? storedOf(shown) : 0);
  const problem = state === "failed" ? going?.problem : null;
  const reason = problem?.message ?? live?.waiting ?? (state === "ready" ? null : offer?.reason);
  return {
    id,
    name: facts?.name ?? id,
    version: facts?.version ?? "",
    bytes,
    stored: live?.checking ? bytes : stored,
    state,
    parts: facts?.parts.length ?? 0,
    builtIn: facts?.builtIn ?? false,
    usable: whole?.version ?? null,
    outdated: whole !== undefined && offer !== undefined && whole.version !== offer.version,
    verified: whole?.verified ?? null,
    fits: !offer?.reason,
    offered: offer !== undefined,
    context: facts?.context ?? null,
    ...(reason && { reason }),
    ...(problem && { code: problem.code }),
    ...(live && { rate: live.rate, checking: live.checking }),
    ...(live && live.rate > 0 && !live.checking && { secondsLeft: Math.max(0, bytes - live.stored) / live.rate }),
  };
}

function stateOf(whole: StoredModel | undefined, going: StoredModel | undefined): DeviceModel["state"] {
  if (going?.wanted) return "downloading";
  if (going?.problem) return "failed";
  if (going && storedOf(going) > 0) return "paused";
  return whole ? "ready" : "absent";
}

/** Bytes that must stay free beside a model: records, and what the browser itself writes. */
const SPARE = 1_000_000;

/** Why there is no room for further bytes, null when there is as far as the browser tells; some tell more than they give. */
export function lack(bytes: number, estimate: StorageEstimate | undefined): string | null {
  if (estimate?.quota === undefined) return null;
  const need = bytes + SPARE;
  const free = Math.max(0, estimate.quota - (estimate.usage ?? 0));
  if (need <= free) return null;
  const megabytes = (size: number) => `${(size / 1e6).toFixed(1)} MB`;
  return `It needs ${megabytes(need)}, and the browser has ${megabytes(free)} left for this site. Remove a model here or free space on the disk; what came so far is kept.`;
}
