import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useStore } from "zustand";
import type { Model } from "../../api/types";
import type { Connection } from "../../engine/connection";
import type { Choice, Circumstances } from "../../engine/local/choice";
import type { DeviceModel } from "../../engine/local/files";
import { useDevice } from "../../ui/device";
import { deviceModelOf, wishes } from "./place";

/** Milliseconds after which a page looks at what this device has, when nothing asks for it before. */
const LOOK_AFTER = 1_500;

const SERVER: Choice = { place: "server", reason: "The server is there." };

/** Whether the server is there, as far as this page knows. */
function useServerState(connection: Connection, model: Model | undefined) {
  const { phase } = useSyncExternalStore(connection.watch, connection.snapshot);
  const lost = useRef(false);
  if (phase !== "connecting") lost.current = phase === "waiting";
  if (lost.current) return "away";
  const engine = model?.engine;
  if (model?.state === "starting" || model?.state === "loading") return "starting";
  return engine?.slots && (engine.busy ?? 0) >= engine.slots ? "busy" : "ready";
}

/** Where the next answer comes from and why, and what this device has for it. */
export function usePlace(connection: Connection, current: string | null, serverModel: Model | undefined) {
  const device = useDevice();
  const wish = useStore(wishes);
  const serverState = useServerState(connection, serverModel);
  const [looking, setLooking] = useState(false);
  const wanted = looking || serverState === "away" || wish.place === "device";
  const [models, setModels] = useState<readonly DeviceModel[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const timer = setTimeout(() => setLooking(true), LOOK_AFTER);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    if (!wanted) return;
    let stop = () => {};
    let gone = false;
    void device
      .files()
      .then(
        async (files) => {
          if (gone) return;
          stop = files.subscribe(setModels);
          setModels(await files.list());
        },
        // Without storage there is nothing on this device, and the server answers.
        () => setModels([]),
      )
      .catch(() => setModels((known) => known ?? []));
    return () => {
      gone = true;
      stop();
    };
  }, [device, wanted]);

  const model = deviceModelOf(models ?? [], wish, current);
  const { data: capabilities = null, isError: failed } = useQuery({
    queryKey: ["capabilities"],
    queryFn: () => device.capabilities(),
    enabled: wanted && model !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  // What decides is loaded when there is something to decide.
  const { data: deciding } = useQuery({
    queryKey: ["choice"],
    queryFn: () => import("../../engine/local/choice"),
    enabled: wanted,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const circumstances: Circumstances = {
    capabilities,
    model,
    stored: model !== null && model.usable !== null,
    online: serverState !== "away" || navigator.onLine,
    serverState,
    preference: wish.place,
  };
  const choice = deciding?.choose(circumstances) ?? SERVER;
  const pick = (id: string) => {
    wishes.setState({ place: "device", model: id });
    const picked = models?.find((one) => one.id === id);
    if (!picked || picked.usable !== null) return;
    setProblem(null);
    void device
      .files()
      .then((files) => files.download(id))
      .catch((error: Error) => setProblem(`${picked.name} was not downloaded: ${error.message}`));
  };
  /** Whether this device could answer, wherever the choice fell. */
  const able = deciding?.choose({ ...circumstances, preference: "device" }).place === "device";
  // Until all is known, a wish for this device is neither kept nor refused.
  const unknown = models === null || !deciding || (model !== null && capabilities === null && !failed);
  const undecided = wish.place === "device" && unknown;
  return { choice, able, undecided, model, models: models ?? [], wish, pick, problem, look: () => setLooking(true) };
}
