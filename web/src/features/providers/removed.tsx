import { useMutation } from "@tanstack/react-query";
import { create } from "zustand";
import { sentence } from "../../api/explain";
import { useConnection } from "../../ui/live";
import { Toast } from "../../ui/Toast";

interface Last {
  name: string;
  /** The routes that used it. */
  routes: readonly string[];
}

/** What was removed last and can still be had back by one click, whatever page is shown. */
export const useRemoved = create<{ last: Last | null; put: (last: Last | null) => void }>((set) => ({
  last: null,
  put: (last) => set({ last }),
}));

/** Why the key of a provider that was just added was not taken, for its own page. */
export const useKeyProblem = create<{ problem: { name: string; reason: string } | null }>(() => ({ problem: null }));

/** Says what was removed and offers to bring it back. The server keeps it for a week. */
export function RemovedToast() {
  const live = useConnection();
  const { last, put } = useRemoved();
  const restore = useMutation({ mutationFn: (name: string) => live.intend("providers:restore", { name }) });
  const used = last && last.routes.length > 0 ? `. Routes used it: ${last.routes.slice(0, 3).join(", ")}` : "";
  return (
    <>
      {restore.error && (
        <p role="alert" className="error">
          It was not brought back. {sentence(restore.error)}
        </p>
      )}
      {last && (
        <Toast
          key={last.name}
          text={`${last.name} was removed${used}`}
          onUndo={() => {
            restore.mutate(last.name);
            put(null);
          }}
          onClose={() => put(null)}
        />
      )}
    </>
  );
}
