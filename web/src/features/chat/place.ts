import { createStore } from "zustand/vanilla";
import { SERVERLESS } from "../../engine/edition";
import type { OwnModel } from "../../engine/keys/types";
import type { DeviceModel } from "../../engine/local/files";

/** Where answers are wished for; `model` is the model for this device, null for the one that suits. */
export interface Wish {
  place: "auto" | "server" | "device";
  model: string | null;
}

const SHELF = "corral.place.v1";
const PLACES: readonly unknown[] = ["auto", "server", "device"];

function read(): Wish {
  try {
    const kept = JSON.parse(localStorage.getItem(SHELF) ?? "") as Partial<Wish>;
    if (PLACES.includes(kept.place)) return { place: kept.place ?? "auto", model: kept.model ?? null };
  } catch {
    // Nothing was kept, or nothing that can be read.
  }
  return { place: SERVERLESS ? "device" : "auto", model: null };
}

export const wishes = createStore<Wish>(read);
wishes.subscribe((wish) => localStorage.setItem(SHELF, JSON.stringify(wish)));

/** What answers here: a model that is stored, or one of a provider that this browser has a key for. */
export type HereModel = DeviceModel | OwnModel;

export const ofProvider = (model: HereModel | null): model is OwnModel => model !== null && "host" in model;

/** The model for the next answer here. One of a provider only where it was chosen: it never steps in by itself. */
export function hereModelOf(
  models: readonly DeviceModel[],
  own: readonly OwnModel[],
  wish: Wish,
  current: string | null,
): HereModel | null {
  const chosen = wish.place === "device" ? own.find((model) => model.id === wish.model) : undefined;
  return chosen ?? deviceModelOf(models, wish, current);
}

/** The model for this device: the wished one, the server's current one where it is here too, else the largest that is here. */
export function deviceModelOf(models: readonly DeviceModel[], wish: Wish, current: string | null): DeviceModel | null {
  const wished = models.find((model) => model.id === wish.model);
  if (wished) return wished;
  const here = models.filter((model) => model.usable !== null && model.fits);
  const same = here.find((model) => model.name === current || model.id === current);
  return same ?? here.toSorted((one, other) => other.bytes - one.bytes)[0] ?? null;
}
