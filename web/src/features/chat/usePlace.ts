import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useStore } from "zustand";
import type { Model } from "../../api/types";
import type { Connection } from "../../engine/connection";
import { isOwn } from "../../engine/keys/ids";
import type { OwnModel } from "../../engine/keys/types";
import type { Choice, Circumstances } from "../../engine/local/choice";
import type { DeviceModel } from "../../engine/local/files";
import { useDevice } from "../../ui/device";
import { hereModelOf, ofProvider, wishes } from "./place";

/** Milliseconds after which a conversation looks at what this device has, when nothing asks for it before; one that is empty has time. */
const LOOK_AFTER = 1_500;
const LOOK_LATER = 10_000;

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

/** The models of the person's own providers; null while they are not known. */
function useOwn(wanted: boolean): readonly OwnModel[] | null {
  const device = useDevice();
  const [own, setOwn] = useState<readonly OwnModel[] | null>(null);
  useEffect(() => {
    if (!wanted) return;
    let stop = () => {};
    let gone = false;
    const begin = async () => {
      const [keys, { modelsOf }] = await Promise.all([device.own(), import("../../engine/keys/own")]);
      if (gone) return;
      stop = keys.subscribe((providers) => setOwn(modelsOf(providers)));
      setOwn(modelsOf(await keys.list()));
    };
    // Without storage there are none.
    begin().catch(() => setOwn([]));
    return () => {
      gone = true;
      stop();
    };
  }, [device, wanted]);
  return own;
}

const watchNetwork = (changed: () => void) => {
  const events = ["online", "offline"] as const;
  for (const event of events) window.addEventListener(event, changed);
  return () => {
    for (const event of events) window.removeEventListener(event, changed);
  };
};

/** Where the next answer comes from and why, and what this device has for it. `begun`: something is said or being written. */
export function usePlace(
  connection: Connection,
  current: string | null,
  serverModel: Model | undefined,
  begun: boolean,
) {
  const device = useDevice();
  const wish = useStore(wishes);
  const serverState = useServerState(connection, serverModel);
  const [looking, setLooking] = useState(false);
  const wanted = looking || serverState === "away" || wish.place === "device";
  const [models, setModels] = useState<readonly DeviceModel[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const timer = setTimeout(() => setLooking(true), begun ? LOOK_AFTER : LOOK_LATER);
    return () => clearTimeout(timer);
  }, [begun]);
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

  const own = useOwn(wanted);
  const network = useSyncExternalStore(watchNetwork, () => navigator.onLine);
  const model = hereModelOf(models ?? [], own ?? [], wish, current);
  const remote = ofProvider(model);
  const { data: capabilities = null, isError: failed } = useQuery({
    queryKey: ["capabilities"],
    queryFn: () => device.capabilities(),
    enabled: wanted && model !== null && !remote,
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
    stored: model !== null && !remote && model.usable !== null,
    online: serverState !== "away" || network,
    network,
    serverState,
    preference: wish.place,
  };
  const choice = deciding?.choose(circumstances) ?? SERVER;
  const told = (name: string) => async (error: unknown) => {
    const { sentence } = await import("../../api/explain");
    setProblem(`${name} was not downloaded: ${sentence(error)}`);
  };
  const pick = (id: string) => {
    wishes.setState({ place: "device", model: id });
    if (isOwn(id)) return;
    const picked = models?.find((one) => one.id === id);
    if (!picked || picked.usable !== null) return;
    setProblem(null);
    void device
      .files()
      .then((files) => files.download(id))
      .catch(told(picked.name));
  };
  /** Whether a model of that name is offered, and neither on this device nor on its way. */
  const missing = (name: string) =>
    models?.some((one) => one.name === name && one.offered && one.usable === null && one.state !== "downloading") ??
    false;
  /** Removes what is stored of a model, which cannot be used, and fetches it anew. */
  const fetchAgain = (name: string) => {
    const found = models?.find((one) => one.name === name);
    if (!found?.offered) return setProblem(`The server does not offer ${name} any more.`);
    setProblem(null);
    void device
      .files()
      .then((files) => files.remove(found.id).then(() => files.download(found.id)))
      .catch(told(name));
  };
  /** Whether this device could answer, wherever the choice fell. */
  const able = deciding?.choose({ ...circumstances, preference: "device" }).place === "device";
  // Until all is known, a wish for this device is neither kept nor refused.
  const looked = isOwn(wish.model)
    ? own !== null && (remote || models !== null)
    : models !== null && (model === null || remote || capabilities !== null || failed);
  const unknown = !deciding || !looked;
  const undecided = wish.place === "device" && unknown;
  return {
    choice,
    able,
    undecided,
    model,
    models: models ?? [],
    own: own ?? [],
    wish,
    pick,
    missing,
    fetchAgain,
    problem,
    look: () => setLooking(true),
  };
}
