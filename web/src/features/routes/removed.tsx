import { useMutation } from "@tanstack/react-query";
import { create } from "zustand";
import { sentence } from "../../api/explain";
import { useConnection } from "../../ui/live";
import { Toast } from "../../ui/Toast";

/** What was removed last and can still be had back by one click, whatever page is shown. */
export const useRemoved = create<{ last: string | null; put: (last: string | null) => void }>((set) => ({
  last: null,
  put: (last) => set({ last }),
}));

/** Says what was removed and offers to bring it back. The server keeps it for a week. */
export function RemovedToast() {
  const live = useConnection();
  const { last, put } = useRemoved();
  const restore = useMutation({ mutationFn: (name: string) => live.intend("routes:restore", { name }) });
  return (
    <>
      {restore.error && (
        <p role="alert" className="error">
          It was not brought back. {sentence(restore.error)}
        </p>
      )}
      {last && (
        <Toast
          key={last}
          text={`The route ${last} was removed`}
          onUndo={() => {
            restore.mutate(last);
            put(null);
          }}
          onClose={() => put(null)}
        />
      )}
    </>
  );
}
