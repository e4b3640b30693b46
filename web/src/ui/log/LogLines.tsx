import { Button } from "@mantine/core";
import type { LogFeed } from "../../engine/logfeed";
import { whole } from "../format";
import { LogDetail } from "./LogDetail";
import { LogList } from "./LogList";
import type { Lines } from "./useLog";

/** Holds the log, and lets it go on. */
export function PauseButton({ feed }: { feed: LogFeed }) {
  return (
    <Button size="xs" variant="default" aria-pressed={feed.paused} onClick={() => feed.pause(!feed.paused)}>
      {feed.paused ? `Resume${feed.waiting > 0 ? ` · ${whole(feed.waiting)} new` : ""}` : "Pause"}
    </Button>
  );
}

interface Props {
  lines: Lines;
  onRequest: (requestId: string) => void;
  onSource: (source: string) => void;
}

/** The list of lines, and beside it all of the one that is selected. */
export function LogLines({ lines, onRequest, onSource }: Props) {
  const { view, selected, select, onOlder } = lines;
  const line = selected === null ? undefined : view.at(view.indexOf(selected))?.line;
  return (
    <>
      <LogList view={view} selected={selected} onSelect={select} onOlder={onOlder} />
      {line && <LogDetail line={line} onClose={() => select(null)} onRequest={onRequest} onSource={onSource} />}
    </>
  );
}
