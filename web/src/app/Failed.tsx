import { Button } from "@mantine/core";
import type { ErrorComponentProps } from "@tanstack/react-router";

/** In the place of a page that failed, or whose part could not be loaded; the frame around it goes on. */
export function Failed({ error, reset }: ErrorComponentProps) {
  return (
    <div className="page" role="alert">
      <h1>This page failed</h1>
      <p className="hint">{error instanceof Error && error.message ? error.message : "It gave no reason."}</p>
      <p className="failed-actions">
        <Button size="xs" onClick={reset}>
          Try again
        </Button>
        <Button size="xs" variant="default" onClick={() => location.reload()}>
          Reload the app
        </Button>
      </p>
    </div>
  );
}
