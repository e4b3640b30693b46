import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { LogLine } from "../../api/logs";
import { useConnection } from "../../ui/live";

/** Leads from an answer to what the log says of its request, down to the engine. */
export function LogButton({ turnId }: { turnId: string }) {
  const connection = useConnection();
  const navigate = useNavigate();
  const find = useMutation({
    mutationFn: () => connection.request<{ lines: LogLine[] }>("logs:search", { text: turnId, limit: 50 }),
    onSuccess: ({ lines }) => {
      const requestId = lines.find((line) => line.requestId)?.requestId ?? undefined;
      void navigate({ to: "/logs", search: requestId ? { requestId } : { text: turnId } });
    },
  });
  return (
    <button
      type="button"
      className="quiet"
      aria-label="Log of this answer"
      title={find.error?.message}
      disabled={find.isPending}
      onClick={() => find.mutate()}
    >
      Log
    </button>
  );
}
