import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { CopyButton } from "../../ui/CopyButton";
import { Segments } from "../../ui/Segments";
import { Tabs } from "../../ui/Tabs";
import { code, LANGUAGES, type Language } from "./code";
import type { Draft, DraftMessage } from "./draft";
import { message } from "./draft";
import { EventList } from "./EventList";
import { facts, header, milliseconds, spans } from "./figures";
import { abridged, type Built } from "./request";
import type { Run } from "./run";

const TABS = [
  { id: "answer", label: "Answer" },
  { id: "events", label: "Events" },
  { id: "request", label: "Request" },
  { id: "response", label: "Response" },
  { id: "code", label: "Code" },
];
const STATES: Readonly<Record<Run["state"], string>> = {
  waiting: "Waiting",
  receiving: "Receiving",
  done: "Done",
  failed: "Failed",
  stopped: "Stopped",
};
const MOST_EDITED = 200_000;

function Timing({ run }: { run: Run }) {
  const parts = spans(run);
  if (parts.length === 0) return null;
  return (
    <>
      <div className="play-bar" aria-hidden="true">
        {parts.map((part, at) => (
          <span key={part.label} data-at={at} style={{ width: `${(part.to - part.from) * 100}%` }} />
        ))}
      </div>
      <dl className="play-spans">
        {parts.map((part, at) => (
          <div key={part.label}>
            <dt>
              <span className="play-swatch" data-at={at} aria-hidden="true" />
              {part.label}
            </dt>
            <dd>{part.text}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function AnswerTab({ run, onTake }: { run: Run; onTake: (messages: readonly DraftMessage[]) => void }) {
  const { answer } = run;
  const failure = run.problem ?? answer.error;
  const take = () =>
    onTake([
      message("assistant", { content: answer.text, calls: answer.calls }),
      ...(answer.calls.length > 0
        ? answer.calls.map((call) => message("tool", { callId: call.id, name: call.name }))
        : [message("user")]),
    ]);
  const said = answer.text !== "" || answer.calls.length > 0;
  const ended = run.state !== "waiting" && run.state !== "receiving";
  return (
    <>
      <p className="play-state" role="status" data-state={run.state}>
        <strong>{STATES[run.state]}</strong>
        {run.status !== null && <span> {run.status}</span>}
        {run.endAt !== null && <span> · {milliseconds(run.endAt)}</span>}
        {facts(run).map((fact) => (
          <span key={fact}> · {fact}</span>
        ))}
      </p>
      <Timing run={run} />
      {answer.reasoning !== "" && (
        <details className="play-reasoning">
          <summary>Reasoning</summary>
          <p className="play-words">{answer.reasoning}</p>
        </details>
      )}
      {answer.text !== "" && <p className="play-words">{answer.text}</p>}
      {answer.refusal !== "" && <p className="play-words">Refused: {answer.refusal}</p>}
      {answer.calls.map((call, at) => (
        <section key={call.id || String(at)} aria-label={`Call of ${call.name}`}>
          <pre className="play-text">
            {call.name}({call.arguments})
          </pre>
        </section>
      ))}
      {failure && (
        <p role="alert" className="error">
          {failure}
        </p>
      )}
      {ended && said && (
        <div className="play-after">
          <Button size="xs" variant="default" onClick={take}>
            {answer.calls.length > 0 ? "Answer the calls" : "Go on from here"}
          </Button>
          <CopyButton what="answer" text={answer.text} />
        </div>
      )}
    </>
  );
}

interface RequestProps {
  draft: Draft;
  built: Built;
  onEdit: (body: string) => void;
}

function RequestTab({ draft, built, onEdit }: RequestProps) {
  const { body } = built;
  if (body === null) return <p className="hint">{Object.values(built.problems)[0]}</p>;
  return (
    <>
      <div className="play-tools">
        <CopyButton what="body" text={body} />
        {draft.body === null && body.length < MOST_EDITED && (
          <button type="button" className="quiet" onClick={() => onEdit(body)}>
            Edit by hand
          </button>
        )}
      </div>
      <pre className="play-text">
        {`POST ${built.path}\n${Object.entries(built.headers)
          .map(([name, value]) => `${name}: ${value}\n`)
          .join("")}\n${abridged(body)}`}
      </pre>
    </>
  );
}

function ResponseTab({ run }: { run: Run }) {
  const requestId = header(run, "x-request-id");
  return (
    <>
      <div className="play-tools">
        <CopyButton what="response" text={run.raw} />
        {requestId && (
          <Link className="play-log" to="/logs" search={{ requestId }}>
            Log of this request
          </Link>
        )}
      </div>
      <pre className="play-text">
        {`${run.status ?? "No status"}\n${run.headers.map(([name, value]) => `${name}: ${value}\n`).join("")}\n`}
        {run.raw()}
      </pre>
    </>
  );
}

function CodeTab({ draft, built }: { draft: Draft; built: Built }) {
  const [language, setLanguage] = useState<Language>("curl");
  const text = code(language, draft.dialect, built, location.origin);
  if (text === null) return <p className="hint">{Object.values(built.problems)[0]}</p>;
  return (
    <>
      <div className="play-tools">
        <Segments
          label="Language"
          options={LANGUAGES.map(({ id, label }) => ({ value: id, label }))}
          value={language}
          onChange={setLanguage}
        />
        <CopyButton what="code" text={text} />
      </div>
      <pre className="play-text">{abridged(text)}</pre>
    </>
  );
}

interface Props {
  draft: Draft;
  built: Built;
  run: Run | null;
  onEdit: (body: string) => void;
  onTake: (messages: readonly DraftMessage[]) => void;
}

/** What came back, in words and byte by byte, and the request as a program. */
export function ResultPane({ draft, built, run, onEdit, onTake }: Props) {
  const [tab, setTab] = useState("answer");
  const empty = <p className="hint">Nothing has been sent yet.</p>;
  return (
    <section className="play-result" aria-label="Result">
      <Tabs label="Result" tabs={TABS} at={tab} onPick={setTab}>
        {tab === "answer" && (run ? <AnswerTab run={run} onTake={onTake} /> : empty)}
        {tab === "events" && (run ? <EventList run={run} /> : empty)}
        {tab === "request" && <RequestTab draft={draft} built={built} onEdit={onEdit} />}
        {tab === "response" && (run ? <ResponseTab run={run} /> : empty)}
        {tab === "code" && <CodeTab draft={draft} built={built} />}
      </Tabs>
    </section>
  );
}
