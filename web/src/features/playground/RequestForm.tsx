import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useId, useState } from "react";
import { sentence } from "../../api/explain";
import { MOD } from "../../ui/keys";
import { Segments } from "../../ui/Segments";
import { DIALECTS, type Draft, PARAMETERS } from "./draft";
import { JsonField, Parameters } from "./Fields";
import { Messages } from "./Messages";
import type { Built } from "./request";

const CHOICES = DIALECTS.map(({ id, label }) => ({ value: id, label }));
const TOOLS = `[
  {
    "name": "weather",
    "description": "The weather of a town",
    "parameters": {
      "type": "object",
      "properties": { "town": { "type": "string" } },
      "required": ["town"]
    }
  }
]`;
const SCHEMA = `{
  "type": "object",
  "properties": { "greeting": { "type": "string" } },
  "required": ["greeting"],
  "additionalProperties": false
}`;

/** The names that can be asked for, as every client of the server sees them. */
async function names(): Promise<string[]> {
  const response = await fetch("/v1/models");
  if (!response.ok) throw new Error("The models cannot be read.");
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

interface SectionProps {
  title: string;
  note: string | null;
  /** Whether a field in it is wrong: then it is open. */
  wrong: boolean;
  children: ReactNode;
}

function Section({ title, note, wrong, children }: SectionProps) {
  const [open, setOpen] = useState(false);
  return (
    <details className="play-section" open={open || wrong} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {title} {note && <span className="badge">{note}</span>}
      </summary>
      {children}
    </details>
  );
}

interface Props {
  draft: Draft;
  built: Built;
  running: boolean;
  onChange: (change: Partial<Draft>) => void;
  onSend: () => void;
  onStop: () => void;
}

/** What is asked, field by field, in any of the dialects. */
export function RequestForm({ draft, built, running, onChange, onSend, onStop }: Props) {
  const id = useId();
  const models = useQuery({ queryKey: ["v1models"], queryFn: names });
  const first = models.data?.[0];
  useEffect(() => {
    if (first !== undefined && draft.model === "") onChange({ model: first });
  }, [first, draft.model, onChange]);
  const { problems } = built;
  const fault = Object.values(problems)[0];
  const set = PARAMETERS[draft.dialect].filter((one) => draft.parameters[one.key]?.trim()).length;
  const wrong = PARAMETERS[draft.dialect].some((one) => problems[one.key] !== undefined);
  const count = (text: string) => (text.trim() === "" ? null : "set");
  return (
    <form
      className="play-form"
      aria-label="Request"
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          onSend();
        }
        if (event.key === "Escape" && running) onStop();
      }}
    >
      <Segments
        label="Dialect"
        options={CHOICES}
        value={draft.dialect}
        onChange={(dialect) => onChange({ dialect, body: null })}
      />
      {draft.body === null ? (
        <>
          <div className="play-row">
            <label htmlFor={`${id}-model`}>Model or route</label>
            <input
              id={`${id}-model`}
              className="control"
              list={`${id}-models`}
              placeholder="Name"
              autoComplete="off"
              spellCheck={false}
              value={draft.model}
              aria-invalid={problems.model !== undefined}
              onChange={(event) => onChange({ model: event.currentTarget.value })}
            />
            <datalist id={`${id}-models`}>
              {models.data?.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
          </div>
          {models.error && (
            <p role="alert" className="error">
              {sentence(models.error)}
            </p>
          )}
          <div className="play-row">
            <label htmlFor={`${id}-system`}>System</label>
            <textarea
              id={`${id}-system`}
              className="control"
              rows={2}
              placeholder="Who the model is and how it answers"
              value={draft.system}
              onChange={(event) => onChange({ system: event.currentTarget.value })}
            />
          </div>
          <Messages messages={draft.messages} onChange={(messages) => onChange({ messages })} />
          {problems.messages && (
            <p role="alert" className="error">
              {problems.messages}
            </p>
          )}
          <Section title="Parameters" note={set > 0 ? String(set) : null} wrong={wrong}>
            <Parameters
              draft={draft}
              problems={problems}
              onChange={(key, value) => onChange({ parameters: { ...draft.parameters, [key]: value } })}
            />
          </Section>
          <Section title="Tools" note={count(draft.tools)} wrong={problems.tools !== undefined}>
            <JsonField
              label="Tools"
              hint="A list of tools; each dialect gets it in its own form."
              placeholder={TOOLS}
              value={draft.tools}
              problem={problems.tools}
              onChange={(tools) => onChange({ tools })}
            />
          </Section>
          <Section title="Answer schema" note={count(draft.schema)} wrong={problems.schema !== undefined}>
            <JsonField
              label="Answer schema"
              hint="A JSON schema that the answer is to keep to."
              placeholder={SCHEMA}
              value={draft.schema}
              problem={problems.schema}
              onChange={(schema) => onChange({ schema })}
            />
          </Section>
          <Section title="Further fields" note={count(draft.extra)} wrong={problems.extra !== undefined}>
            <JsonField
              label="Further fields"
              hint="Put at the top of the body as they are."
              placeholder='{ "n": 2 }'
              value={draft.extra}
              problem={problems.extra}
              onChange={(extra) => onChange({ extra })}
            />
          </Section>
        </>
      ) : (
        <>
          <JsonField
            label="Body"
            hint="Sent exactly as it is written here."
            placeholder="{}"
            value={draft.body}
            problem={problems.body}
            onChange={(body) => onChange({ body })}
          />
          <button type="button" className="link play-back" onClick={() => onChange({ body: null })}>
            Back to the form
          </button>
        </>
      )}
      <div className="play-send">
        {draft.body === null && (
          <label className="check">
            <input
              type="checkbox"
              className="switch"
              checked={draft.stream}
              onChange={(event) => onChange({ stream: event.currentTarget.checked })}
            />
            Stream
          </label>
        )}
        <span className="hint play-keys">{running ? "Esc stops" : (fault ?? `${MOD} Enter sends`)}</span>
        {running ? (
          <Button key="stop" variant="default" onClick={onStop}>
            Stop
          </Button>
        ) : (
          <Button key="send" type="submit" disabled={fault !== undefined}>
            Send
          </Button>
        )}
      </div>
    </form>
  );
}
