import { createStore } from "zustand/vanilla";
import type { Sampling } from "../../api/types";
import { isEmpty, type Preset, readPlaces, readPresets, writePlaces } from "../../engine/sampling";

const PLACES = "corral.sampling.v1";
const MINE = "corral.presets.v1";

/** The settings of conversations that the server does not have (yet), by their place in this browser; `new` is the next one. */
export const samplings = createStore<Record<string, Sampling>>(() => readPlaces(localStorage.getItem(PLACES)));
samplings.subscribe((places) => localStorage.setItem(PLACES, writePlaces(places)));

/** The presets that were saved in this browser. */
export const presets = createStore<{ mine: readonly Preset[] }>(() => ({
  mine: readPresets(localStorage.getItem(MINE)),
}));
presets.subscribe(({ mine }) => localStorage.setItem(MINE, JSON.stringify(mine)));

window.addEventListener("storage", ({ key, newValue }) => {
  if (key === MINE) presets.setState({ mine: readPresets(newValue) });
});

/** The settings of a place go with the conversation to its new place; null when it needs them no more. */
export function moveSampling(from: string, to: string | null): Sampling | undefined {
  const { [from]: sampling, ...others } = samplings.getState();
  if (sampling === undefined) return undefined;
  samplings.setState(to === null ? others : { ...others, [to]: sampling }, true);
  return isEmpty(sampling) ? undefined : sampling;
}
