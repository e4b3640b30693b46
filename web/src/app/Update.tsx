import { useSyncExternalStore } from "react";
import { updates } from "./services";

/** Offers the new version of the app; the page changes only when it is asked to. */
export function Update() {
  const state = useSyncExternalStore(updates.watch, updates.snapshot);
  if (state === "none") return null;
  return (
    <div className="outage update" role="status">
      <span>
        {state === "ready" ? "A new version of Corral is ready." : "Another tab runs a newer version of Corral."}
      </span>
      <button type="button" onClick={() => updates.apply()}>
        Reload
      </button>
    </div>
  );
}
