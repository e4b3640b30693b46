import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { Toast } from "../../ui/Toast";
import "../../ui/controls.css";
import "./playground.css";
import { type Draft, emptyDraft, keepDraft, readDraft } from "./draft";
import { RequestForm } from "./RequestForm";
import { ResultPane } from "./ResultPane";
import { build } from "./request";
import { perform, type Run } from "./run";

const LOOK = 50;
const KEEP = 400;

/** The request that is under way, and what came of the last one. */
function useRun() {
  const [run, setRun] = useState<Run | null>(null);
  const [running, setRunning] = useState(false);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const send = (draft: Draft) => {
    const built = build(draft);
    const { body } = built;
    if (body === null || abort.current) return;
    const control = new AbortController();
    abort.current = control;
    setRunning(true);
    let latest: (() => Run) | null = null;
    const timer = setInterval(() => {
      if (latest) setRun(latest());
      latest = null;
    }, LOOK);
    void perform({ ...built, body }, draft.dialect, control.signal, (look) => {
      latest = look;
    }).then(() => {
      clearInterval(timer);
      if (latest) setRun(latest());
      abort.current = null;
      setRunning(false);
    });
  };
  return { run, running, send, stop: () => abort.current?.abort() };
}

/** Any request to any model in any dialect, with what is sent and what comes back, byte by byte. */
export function PlaygroundPage() {
  useDocumentTitle("Playground · Corral");
  const { model } = useSearch({ strict: false }) as { model?: string };
  const [draft, setDraft] = useState<Draft>(() => {
    const kept = readDraft(localStorage);
    return model ? { ...kept, model } : kept;
  });
  const [before, setBefore] = useState<Draft | null>(null);
  const { run, running, send, stop } = useRun();
  const built = useMemo(() => build(draft), [draft]);
  const change = (part: Partial<Draft>) => setDraft((known) => ({ ...known, ...part }));
  const result = useRef<HTMLDivElement>(null);
  const latest = useRef(draft);
  useEffect(() => {
    latest.current = draft;
    const timer = setTimeout(() => keepDraft(localStorage, draft), KEEP);
    return () => clearTimeout(timer);
  }, [draft]);
  useEffect(() => {
    const keep = () => keepDraft(localStorage, latest.current);
    window.addEventListener("pagehide", keep);
    return () => {
      window.removeEventListener("pagehide", keep);
      keep();
    };
  }, []);
  return (
    <div className="page wide playground">
      <header className="page-head">
        <h1>Playground</h1>
        <div className="page-actions">
          <Button
            size="xs"
            variant="default"
            onClick={() => {
              setBefore(draft);
              setDraft({ ...emptyDraft(), dialect: draft.dialect, model: draft.model });
            }}
          >
            Start over
          </Button>
        </div>
      </header>
      <div className="play">
        <RequestForm
          draft={draft}
          built={built}
          running={running}
          onChange={change}
          onSend={() => {
            send(draft);
            // Where the result stands below the form it comes into sight.
            result.current?.scrollIntoView({ block: "nearest" });
          }}
          onStop={stop}
        />
        <div className="play-side" ref={result}>
          <ResultPane
            draft={draft}
            built={built}
            run={run}
            onEdit={(body) => change({ body })}
            onTake={(messages) => change({ messages: [...draft.messages, ...messages], body: null })}
          />
        </div>
      </div>
      {before && (
        <Toast
          text="The request was cleared"
          onUndo={() => {
            setDraft(before);
            setBefore(null);
          }}
          onClose={() => setBefore(null)}
        />
      )}
    </div>
  );
}
