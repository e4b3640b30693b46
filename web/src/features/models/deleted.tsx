import { useMutation } from "@tanstack/react-query";
import { create } from "zustand";
import { sentence } from "../../api/explain";
import { useConnection } from "../../ui/live";
import { Toast } from "../../ui/Toast";

interface Deleted {
  name: string;
  /** Whether its file went too, or only what was set for it. */
  file: boolean;
}

/** What was deleted last and can still be had back by one click, whatever page is shown. */
export const useDeleted = create<{ last: Deleted | null; put: (last: Deleted | null) => void }>((set) => ({
  last: null,
  put: (last) => set({ last }),
}));

/** Says what was deleted and offers to bring it back. The server keeps it for a week. */
export function DeletedToast() {
  const live = useConnection();
  const { last, put } = useDeleted();
  const restore = useMutation({ mutationFn: (name: string) => live.intend("models:restore", { name }, 120_000) });
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
          text={last.file ? `${last.name} was moved to the trash` : `The settings of ${last.name} were deleted`}
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
