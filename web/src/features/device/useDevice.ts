import { useEffect, useRef, useState } from "react";
import type { DeviceModel, DeviceUsage, ModelFiles } from "../../engine/local/files";
import { usePush } from "../../ui/live";
import { useFollowed } from "./useFollowed";
import { heard } from "./words";

export interface Device {
  files: ModelFiles | null;
  models: DeviceModel[] | null;
  usage: DeviceUsage | null;
  error: string | null;
  /** The last change of a state, for screen readers. */
  said: string;
  /** Reads the use of storage again. */
  look: () => void;
}

/** The models on this device, kept true while the page is shown. */
export function useDevice(open: () => Promise<ModelFiles>): Device {
  const { source: files, listed: models, setListed: setModels, error } = useFollowed<DeviceModel[], ModelFiles>(open);
  const [usage, setUsage] = useState<DeviceUsage | null>(null);
  const [said, setSaid] = useState("");
  const states = useRef<Map<string, DeviceModel["state"]> | null>(null);

  useEffect(() => {
    if (!models) return;
    const before = states.current;
    const changed = models.filter(({ id, state }) => before && before.get(id) !== state);
    states.current = new Map(models.map(({ id, state }) => [id, state]));
    if (changed.length > 0) setSaid(changed.map(heard).join(". "));
  }, [models]);

  const shape = models?.map(({ id, state, usable }) => `${id} ${state} ${usable}`).join();
  const look = () => void files?.usage().then(setUsage, () => undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is used changes when a model's state does
  useEffect(look, [files, shape]);
  usePush("models:changed", () => void files?.list().then(setModels, () => undefined));
  return { files, models, usage, error, said, look };
}
