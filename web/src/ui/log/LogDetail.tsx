import { useState } from "react";
import type { LogLine } from "../../api/logs";
import { CrossIcon } from "../icons";

interface Props {
  line: LogLine;
  onClose: () => void;
  onRequest: (requestId: string) => void;
  onSource: (source: string) => void;
}

/** All that one line says, and the way to the lines that belong to it. */
export function LogDetail({ line, onClose, onRequest, onSource }: Props) {
  const [copied, setCopied] = useState<string | null>(null);
  const at = new Date(line.at);
  const fields = Object.entries(line.fields ?? {});
  return (
    <aside className="log-detail" aria-label="Log line">
      <header>
        <h2>{line.level}</h2>
        <button type="button" className="quiet" aria-label="Close line" onClick={onClose}>
          <CrossIcon />
        </button>
      </header>
      <pre className="log-message">{line.message}</pre>
      <dl>
        <dt>Time</dt>
        <dd>
          <time dateTime={line.at} title={line.at}>
            {at.toLocaleString()}
          </time>
        </dd>
        <dt>Source</dt>
        <dd>
          <button type="button" className="link" onClick={() => onSource(line.source)}>
            {line.source}
          </button>
        </dd>
        {line.requestId && (
          <>
            <dt>Request</dt>
            <dd>
              <button type="button" className="link" onClick={() => onRequest(line.requestId ?? "")}>
                {line.requestId}
              </button>
            </dd>
          </>
        )}
        {fields.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <pre>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>
            </dd>
          </div>
        ))}
      </dl>
      <button
        type="button"
        className="plain"
        onClick={() =>
          void navigator.clipboard?.writeText(JSON.stringify(line, null, 2)).then(() => setCopied(line.id))
        }
      >
        {copied === line.id ? "Copied" : "Copy as JSON"}
      </button>
    </aside>
  );
}
