import type { ErrorComponentProps } from "@tanstack/react-router";
import { useEffect } from "react";
import { reports } from "./services";

/** In the place of a page that failed, or whose part could not be loaded; the frame around it goes on. */
export function Failed({ error, reset }: ErrorComponentProps) {
  useEffect(() => reports.uncaught(error, "page that is shown"), [error]);
  return (
    <div className="page" role="alert">
      <h1>This page failed</h1>
      <p className="hint">{error instanceof Error && error.message ? error.message : "It gave no reason."}</p>
      <p className="failed-actions">
        <button type="button" className="button" onClick={reset}>
          Try again
        </button>
        <button type="button" className="button" onClick={() => location.reload()}>
          Reload the app
        </button>
      </p>
    </div>
  );
}
