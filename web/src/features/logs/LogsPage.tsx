import { Button, Menu } from "@mantine/core";
import { useDebouncedCallback, useDocumentTitle } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { LEVELS } from "../../api/logs";
import { searchFor } from "../../engine/logfeed";
import { type LogFilter, type LogView, NO_FILTER } from "../../engine/logs";
import { whole } from "../../ui/format";
import { CrossIcon } from "../../ui/icons";
import { LogLines, PauseButton } from "../../ui/log/LogLines";
import { useLines, useLogFeed } from "../../ui/log/useLog";
import { save } from "../../ui/save";
import { Levels } from "./Levels";
import "../../ui/controls.css";
import "./logs.css";

const TYPING = 200;

function asText(view: LogView): string {
  const lines: string[] = [];
  for (let index = 0; index < view.length; index += 1) {
    const entry = view.at(index);
    if (!entry) continue;
    const { at, level, source, requestId } = entry.line;
    lines.push(`${at} ${level.padEnd(8)} ${source} ${entry.text}${requestId ? ` requestId=${requestId}` : ""}`);
  }
  return `${lines.join("\n")}\n`;
}

function asJson(view: LogView): string {
  const lines: string[] = [];
  for (let index = 0; index < view.length; index += 1) lines.push(JSON.stringify(view.at(index)?.line));
  return `${lines.join("\n")}\n`;
}

/** The filter as the download of the files takes it. */
function fromFiles(filter: LogFilter): string {
  const { limit: _, ...wanted } = searchFor(filter, null);
  return new URLSearchParams(wanted as Record<string, string>).toString();
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/** The filter of the address, so that a filtered log can be linked to, and changing it. */
function useFilter() {
  const search = useSearch({ from: "/logs" });
  const navigate = useNavigate({ from: "/logs" });
  const filter: LogFilter = {
    level: search.level ?? NO_FILTER.level,
    source: search.source ?? null,
    text: search.text ?? "",
    requestId: search.requestId ?? null,
  };
  const change = useCallback(
    (part: Partial<LogFilter>) =>
      void navigate({
        replace: true,
        search: (before) => {
          const now = { ...before, ...part };
          return {
            level: now.level === NO_FILTER.level ? undefined : now.level,
            source: now.source || undefined,
            text: now.text || undefined,
            requestId: now.requestId || undefined,
          };
        },
      }),
    [navigate],
  );
  return { filter, change };
}

/** The log of Corral and its engines, as it is written. */
export function LogsPage() {
  useDocumentTitle("Logs · Corral");
  const { filter, change } = useFilter();
  const feed = useLogFeed();
  const lines = useLines(feed, filter);
  const { view, older, reading, ended, said } = lines;
  const [text, setText] = useState(filter.text);
  const search = useDebouncedCallback((words: string) => change({ text: words }), TYPING);
  const filtered =
    filter.text !== "" || filter.source !== null || filter.requestId !== null || filter.level !== "debug";
  const sources = feed.ring.sources();
  if (sources.some((source) => source.startsWith("engine:"))) sources.push("engine");
  if (filter.source !== null && !sources.includes(filter.source)) sources.push(filter.source);
  const clear = () => {
    setText("");
    search.cancel();
    change({ ...NO_FILTER });
  };
  return (
    <div className="logs">
      <header className="logs-head">
        <h1>Logs</h1>
        <div className="logs-actions">
          <PauseButton feed={feed} />
          <Menu position="bottom-end" shadow="md" transitionProps={{ duration: 120 }}>
            <Menu.Target>
              <Button size="xs" variant="default">
                Download
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => save(`corral-${today()}.log`, "text/plain", asText(view))}>
                Lines shown, as text
              </Menu.Item>
              <Menu.Item onClick={() => save(`corral-${today()}.jsonl`, "application/jsonl", asJson(view))}>
                Lines shown, as JSON
              </Menu.Item>
              <Menu.Item component="a" href={`/api/logs/download?${fromFiles(filter)}`} download>
                {filtered ? "All lines in the files that pass" : "All lines in the files"}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
          <Levels sources={sources} />
        </div>
      </header>
      <search className="logs-filters" aria-label="Lines">
        <input
          className="control"
          type="search"
          aria-label="Text"
          placeholder="Find in the lines"
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            search(event.currentTarget.value);
          }}
        />
        <select
          className="control"
          aria-label="Least level"
          value={filter.level}
          onChange={(event) => change({ level: event.currentTarget.value })}
        >
          {LEVELS.map((level) => (
            <option key={level} value={level}>
              {level === "debug" ? "All levels" : `${level} and above`}
            </option>
          ))}
        </select>
        <select
          className="control"
          aria-label="Source"
          value={filter.source ?? ""}
          onChange={(event) => change({ source: event.currentTarget.value || null })}
        >
          <option value="">All sources</option>
          {sources.map((source) => (
            <option key={source} value={source}>
              {source === "engine" ? "All engines" : source}
            </option>
          ))}
        </select>
        {filter.requestId !== null && (
          <button
            type="button"
            className="chip"
            aria-label={`All requests instead of ${filter.requestId}`}
            onClick={() => change({ requestId: null })}
          >
            {filter.requestId} <CrossIcon />
          </button>
        )}
      </search>
      <p className="logs-count" data-testid="log-count">
        <span>
          {whole(view.length)} {view.length === 1 ? "line" : "lines"}
        </span>
        {feed.filled && !ended && (
          <button type="button" className="link" disabled={reading} onClick={() => void older()}>
            {reading ? "Reading the files…" : "Look further back"}
          </button>
        )}
        {ended && <span>the files have no older ones</span>}
        {said && (
          <span className="error" role="alert">
            {said}
          </span>
        )}
      </p>
      <div className="logs-body">
        {lines.empty ? (
          <div className="logs-empty">
            <h2 className="empty">{filtered ? "No line passes the filter" : "Nothing has been written yet"}</h2>
            <p className="hint">
              {filtered
                ? "New lines appear here when they pass. "
                : "Lines appear here as Corral and its engines write. "}
              {filtered && (
                <button type="button" className="link" onClick={clear}>
                  Clear the filter
                </button>
              )}
            </p>
          </div>
        ) : (
          <LogLines
            lines={lines}
            onRequest={(requestId) => change({ requestId })}
            onSource={(source) => change({ source })}
          />
        )}
      </div>
    </div>
  );
}
