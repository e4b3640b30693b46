import { Button, Progress } from "@mantine/core";
import type { DeviceModel } from "../../engine/local/files";
import { facts, here, mainAction } from "./words";

interface Props {
  model: DeviceModel;
  onDo: (does: "download" | "pause" | "remove") => void;
}

/** One model: what of it is here, and what can be done. */
export function ModelItem({ model, onDo }: Props) {
  const { name, state, bytes, stored, builtIn, outdated, usable } = model;
  const main = mainAction(model);
  const part = bytes > 0 ? Math.min(1, stored / bytes) : 0;
  const going = state === "downloading" || state === "paused" || state === "failed";
  return (
    <li data-testid="device-model" data-state={state}>
      <div>
        <strong>{name}</strong>
        {builtIn && <span className="badge">Included</span>}
        {outdated && <span className="badge">{going ? "Older version in use" : "Newer version on the server"}</span>}
        <p className="facts figure">{facts(model)}</p>
        {going && (
          <Progress
            value={part * 100}
            color={state === "failed" ? "var(--fail)" : undefined}
            aria-label={`${name}: ${Math.floor(part * 100)} %`}
          />
        )}
        {state === "failed" && model.reason && (
          <p role="alert" className="problem">
            {model.reason}
          </p>
        )}
        {!model.fits && state === "absent" && <p className="facts">{model.reason}</p>}
        {!model.offered && usable !== null && <p className="facts">The server does not offer it any more.</p>}
      </div>
      <div className="page-actions">
        {main && (
          <Button
            size="xs"
            variant={main.label === "Download" ? "filled" : "default"}
            aria-label={`${main.label} ${name}`}
            onClick={() => onDo(main.does)}
          >
            {main.label}
          </Button>
        )}
        {here(model) && (
          <Button size="xs" variant="default" aria-label={`Remove ${name}`} onClick={() => onDo("remove")}>
            Remove
          </Button>
        )}
      </div>
    </li>
  );
}
