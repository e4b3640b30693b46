import { Button } from "@mantine/core";
import { useState } from "react";
import type { DeviceUsage } from "../../engine/local/files";
import { bytes } from "../../ui/format";
import { room } from "./words";

/** How much the browser gives this site, who has it, and whether it stays. */
export function Room({ usage, onKeep }: { usage: DeviceUsage | null; onKeep: () => Promise<boolean> }) {
  const [refused, setRefused] = useState(false);
  if (!usage || usage.quota === 0) return null;
  const { models, others, free } = room(usage);
  const parts = [
    { kind: "models", label: "Models", size: models },
    { kind: "others", label: "Everything else", size: others },
    { kind: "free", label: "Free", size: free },
  ].filter(({ size }) => size > 0);
  return (
    <section aria-labelledby="room-title" className="room">
      <h2 id="room-title">Storage</h2>
      <p className="facts">
        {bytes(Math.min(usage.used, usage.quota))} used of about {bytes(usage.quota)} that the browser gives this site.
      </p>
      <div className="room-bar" aria-hidden="true">
        {parts.map(({ kind, label, size }) => (
          <span key={kind} data-kind={kind} style={{ flexGrow: size }} title={`${label}: ${bytes(size)}`} />
        ))}
      </div>
      <ul className="room-names">
        {parts.map(({ kind, label, size }) => (
          <li key={kind}>
            <span className="room-mark" data-kind={kind} aria-hidden="true" />
            {label} <span className="figure">{bytes(size)}</span>
          </li>
        ))}
      </ul>
      <div className="room-keep">
        {usage.persisted ? (
          <p className="facts">Kept: the browser removes none of it by itself.</p>
        ) : (
          <>
            <p className="facts">
              {refused
                ? "The browser did not agree for now. It does more readily for sites that are used often, are bookmarked, or are installed."
                : "The browser may remove all of it when the disk gets full."}
            </p>
            <Button size="xs" variant="default" onClick={() => void onKeep().then((kept) => setRefused(!kept))}>
              Keep
            </Button>
          </>
        )}
      </div>
    </section>
  );
}
