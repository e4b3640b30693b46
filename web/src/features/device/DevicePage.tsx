import { useDocumentTitle } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { sentence } from "../../api/explain";
import type { OwnKeys } from "../../engine/keys/own";
import type { DeviceModel, ModelFiles } from "../../engine/local/files";
import { bytes } from "../../ui/format";
import { Toast } from "../../ui/Toast";
import { ModelItem } from "./ModelItem";
import { OwnSection } from "./OwnSection";
import { Room } from "./Room";
import { useDevice } from "./useDevice";
import { here } from "./words";
import "../../ui/controls.css";
import "./device.css";

/** The models that this browser keeps and may have, the providers that it asks itself, and the room for all of it. */
export function DevicePage({ open, own }: { open: () => Promise<ModelFiles>; own: () => Promise<OwnKeys> }) {
  useDocumentTitle("On this device · Corral");
  const { files, models, usage, error, said, look } = useDevice(open);
  const [failed, setFailed] = useState<string | null>(null);
  const { leaving, remove, undo, now } = useRemoval(files, setFailed);

  const act = (model: DeviceModel, does: "download" | "pause" | "remove") => {
    setFailed(null);
    if (does === "remove") remove(model);
    else if (does === "pause") files?.pause(model.id);
    // A failed download says so in its own row.
    else void files?.download(model.id).catch((reason: Error) => files.list().catch(() => setFailed(sentence(reason))));
  };
  const shown = models?.filter(({ id }) => id !== leaving?.id) ?? [];
  const groups = [
    { title: "Stored", models: shown.filter(here) },
    { title: "From the server", models: shown.filter((model) => !here(model) && model.fits) },
    { title: "Not for browsers", models: shown.filter((model) => !here(model) && !model.fits) },
  ];
  return (
    <div className="page device">
      <h1>On this device</h1>
      <p className="hint">
        Models that run in this browser, on this device alone: what is asked of them goes nowhere, and they answer
        without the server.
      </p>
      {(error ?? failed) && (
        <p role="alert" className="problem">
          {error ?? failed}
        </p>
      )}
      {!models && !error && <p className="hint late">Looking at what is stored …</p>}
      {groups.map(
        (group) =>
          group.models.length > 0 && (
            <section key={group.title} aria-label={group.title}>
              <h2>{group.title}</h2>
              <ul className="rows">
                {group.models.map((model) => (
                  <ModelItem key={model.id} model={model} onDo={(does) => act(model, does)} />
                ))}
              </ul>
            </section>
          ),
      )}
      {models && shown.every((model) => !here(model)) && (
        <p className="hint">
          Nothing is stored yet.{" "}
          {shown.some((model) => model.fits)
            ? "Download a model to chat without the server."
            : "The server offers no model that a browser can take."}{" "}
          <Link to="/downloads">Get models for the server</Link>
        </p>
      )}
      <OwnSection open={own} />
      <Room
        usage={usage}
        onKeep={async () => {
          const kept = (await files?.persist().catch(() => false)) ?? false;
          look();
          return kept;
        }}
      />
      <p role="status" className="unseen">
        {said}
      </p>
      {leaving && (
        <Toast
          key={leaving.id}
          text={`${leaving.name} is removed from this device. Having it again costs ${bytes(leaving.bytes)} of download.`}
          onUndo={undo}
          onClose={now}
        />
      )}
    </div>
  );
}

/** Removes a model when the time to take it back is over, or the page is left. */
function useRemoval(files: ModelFiles | null, failed: (reason: string) => void) {
  const [leaving, setLeaving] = useState<DeviceModel | null>(null);
  const last = useRef<{ model: DeviceModel; files: ModelFiles } | null>(null);
  const now = () => {
    const doing = last.current;
    last.current = null;
    if (!doing) return;
    doing.files
      .remove(doing.model.id)
      .catch((reason: Error) => failed(sentence(reason)))
      .finally(() => setLeaving((one) => (one?.id === doing.model.id ? null : one)));
  };
  const finish = useRef(now);
  useEffect(() => {
    finish.current = now;
  });
  useEffect(() => () => finish.current(), []);
  return {
    leaving,
    now,
    remove: (model: DeviceModel) => {
      now();
      if (!files) return;
      if (model.state === "downloading") files.pause(model.id);
      last.current = { model, files };
      setLeaving(model);
    },
    undo: () => {
      last.current = null;
      setLeaving(null);
    },
  };
}
