import { Button, Progress } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Download } from "../../../api/downloads";
import { sentence } from "../../../api/explain";
import { bytes, duration } from "../../../ui/format";
import { useAsked, useConnection, usePush } from "../../../ui/live";

const WORDS: Record<string, string> = {
  queued: "waiting",
  running: "downloading",
  checking: "checking the file",
  paused: "paused",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};
const ACTIVE = new Set(["queued", "running", "checking"]);

/** All downloads, kept true by the server's news. */
export function useDownloads() {
  const client = useQueryClient();
  usePush<{ downloads: Download[] }>("downloads:changed", (news) =>
    client.setQueryData(["downloads:list", {}], { downloads: news.downloads }),
  );
  return useAsked<{ downloads: Download[] }>("downloads:list");
}

function Actions({ download }: { download: Download }) {
  const live = useConnection();
  const act = useMutation({
    mutationFn: (action: "pause" | "resume" | "cancel" | "remove") =>
      live.intend(`downloads:${action}`, { id: download.id }),
  });
  const button = (action: "pause" | "resume" | "cancel" | "remove", label: string) => (
    <Button
      size="xs"
      variant="default"
      aria-label={`${label} ${download.repo}`}
      loading={act.isPending && act.variables === action}
      onClick={() => act.mutate(action)}
    >
      {label}
    </Button>
  );
  return (
    <div className="page-actions">
      {ACTIVE.has(download.state) && button("pause", "Pause")}
      {download.state === "paused" && button("resume", "Resume")}
      {download.state === "failed" && button("resume", "Try again")}
      {(ACTIVE.has(download.state) || download.state === "paused") && button("cancel", "Cancel")}
      {["done", "failed", "cancelled"].includes(download.state) && button("remove", "Clear")}
      {act.error && (
        <p role="alert" className="error">
          {sentence(act.error)}
        </p>
      )}
    </div>
  );
}

function Row({ download }: { download: Download }) {
  const { done, total, rate, eta, state } = download;
  const part = total ? Math.min(1, done / total) : null;
  const running = state === "running";
  const facts = [
    WORDS[state] ?? state,
    total && state !== "done" ? `${bytes(done)} of ${bytes(total)}` : bytes(done),
    running && rate ? `${bytes(rate)}/s` : null,
    running && eta ? `${duration(eta)} left` : null,
  ];
  return (
    <li data-testid="download">
      <div>
        <strong>{download.repo}</strong>
        {download.quant && <span className="badge">{download.quant}</span>}
        <p className="facts figure">{facts.filter(Boolean).join(" · ")}</p>
        {part !== null && state !== "done" && (
          <Progress value={part * 100} aria-label={`${download.repo}: ${Math.floor(part * 100)} %`} />
        )}
        {download.problem && (
          <p role="alert" className="problem">
            {download.problem}
          </p>
        )}
        {state === "done" && download.model && (
          <Link to="/models/$name" params={{ name: download.model }}>
            Open {download.model}
          </Link>
        )}
      </div>
      <Actions download={download} />
    </li>
  );
}

/** Downloads with their progress, and pausing, resuming, cancelling and clearing them; nothing where there are none. */
export function DownloadList() {
  const { data } = useDownloads();
  if (!data || data.downloads.length === 0) return null;
  return (
    <section aria-label="Downloads" className="downloads">
      <h2>Downloads</h2>
      <ul className="rows">
        {data.downloads.map((download) => (
          <Row key={download.id} download={download} />
        ))}
      </ul>
    </section>
  );
}
