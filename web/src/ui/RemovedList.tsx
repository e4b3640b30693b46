import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { sentence } from "../api/explain";
import type { Removed } from "../api/providers";
import { ago } from "./format";
import { useConnection } from "./live";

/** What was removed and can still be had back, by the intent that brings it back by name. */
export function RemovedList({ removed, intent }: { removed: readonly Removed[]; intent: string }) {
  const live = useConnection();
  const restore = useMutation({ mutationFn: (name: string) => live.intend(intent, { name }) });
  if (removed.length === 0) return null;
  return (
    <details className="removed">
      <summary>Removed ({removed.length})</summary>
      <ul className="rows">
        {removed.map((one) => (
          <li key={one.name}>
            <div>
              {one.name} <span className="facts">{ago(new Date(one.at), new Date())}, kept for a week</span>
            </div>
            <Button
              size="xs"
              variant="default"
              aria-label={`Restore ${one.name}`}
              loading={restore.isPending && restore.variables === one.name}
              onClick={() => restore.mutate(one.name)}
            >
              Restore
            </Button>
          </li>
        ))}
      </ul>
      {restore.error && (
        <p role="alert" className="error">
          {sentence(restore.error)}
        </p>
      )}
    </details>
  );
}
