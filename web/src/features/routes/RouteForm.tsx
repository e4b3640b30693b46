import { useState } from "react";
import { type Candidate, NEW_ROUTE, type Route, STRATEGIES, type States } from "../../api/routes";
import { same } from "../../ui/entry/entry";
import { FieldRow, type Marks, NumberBox } from "../../ui/entry/Fields";
import type { Editing } from "../../ui/entry/useEntry";
import { AddCandidate } from "./AddCandidate";
import { Candidates } from "./Candidates";
import { RuleEditor } from "./RuleEditor";
import { candidateFrom, nameOf, STRATEGY_WORDS } from "./words";

type Part = { editing: Editing<Route> };

function Strategies({ editing }: Part) {
  const { value, set } = editing;
  return (
    <fieldset className="strategies" disabled={value.readOnly}>
      <legend>Who is asked first</legend>
      {STRATEGIES.map((strategy) => (
        <label key={strategy}>
          <input
            type="radio"
            name="strategy"
            checked={value.strategy === strategy}
            onChange={() => set({ strategy })}
          />
          <span>
            {STRATEGY_WORDS[strategy].label}
            <span className="hint">{STRATEGY_WORDS[strategy].help}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Times({ editing }: Part) {
  const { value, set, reason } = editing;
  const disabled = value.readOnly;
  const seconds = (key: "firstContentTimeout" | "totalTimeout", label: string, help: string, placeholder: string) => (
    <FieldRow label={label} help={help} problem={reason(key)} disabled={disabled}>
      {(marks) => (
        <NumberBox
          marks={marks}
          value={value[key]}
          placeholder={placeholder}
          unit="seconds"
          onChange={(time) => set({ [key]: time })}
        />
      )}
    </FieldRow>
  );
  return (
    <>
      {seconds(
        "firstContentTimeout",
        "First content",
        "When it does not come in time, the next candidate is asked.",
        "60 elsewhere, here no limit",
      )}
      {seconds("totalTimeout", "Whole answer", "With all attempts.", "no limit")}
      <FieldRow
        label="Attempts"
        help="In all, continuations included."
        problem={reason("attempts")}
        disabled={disabled}
      >
        {(marks) => (
          <NumberBox
            marks={marks}
            whole
            value={value.attempts}
            placeholder={String(NEW_ROUTE.attempts)}
            onChange={(attempts) => set({ attempts: attempts ?? NEW_ROUTE.attempts })}
          />
        )}
      </FieldRow>
      {value.strategy === "local_first" && (
        <>
          <FieldRow
            label="May wait here"
            help="Requests that wait for an own engine before others are asked."
            problem={reason("spillQueue")}
            disabled={disabled}
          >
            {(marks) => (
              <NumberBox
                marks={marks}
                whole
                value={value.spillQueue}
                placeholder="0"
                unit="requests"
                onChange={(spillQueue) => set({ spillQueue: spillQueue ?? 0 })}
              />
            )}
          </FieldRow>
          <FieldRow
            label="May wait so long"
            help="Then others are asked."
            problem={reason("spillAfter")}
            disabled={disabled}
          >
            {(marks) => (
              <NumberBox
                marks={marks}
                value={value.spillAfter}
                placeholder={String(NEW_ROUTE.spillAfter)}
                unit="seconds"
                onChange={(spillAfter) => set({ spillAfter: spillAfter ?? NEW_ROUTE.spillAfter })}
              />
            )}
          </FieldRow>
        </>
      )}
    </>
  );
}

function Kept({ editing }: Part) {
  const { value, set, reason } = editing;
  const { cache } = value;
  const disabled = value.readOnly;
  return (
    <>
      <FieldRow
        label="Keep answers"
        help="The same question of the same caller is answered from memory."
        problem={reason("cache")}
        disabled={disabled}
      >
        {(marks) => (
          <input
            {...marks}
            type="checkbox"
            className="switch"
            checked={cache !== null}
            onChange={(event) => set({ cache: event.currentTarget.checked ? { ttl: 3_600, always: false } : null })}
          />
        )}
      </FieldRow>
      {cache && (
        <>
          <FieldRow label="For how long" disabled={disabled}>
            {(marks) => (
              <NumberBox
                marks={marks}
                value={cache.ttl}
                placeholder="3600"
                unit="seconds"
                onChange={(ttl) => set({ cache: { ...cache, ttl: ttl ?? 3_600 } })}
              />
            )}
          </FieldRow>
          <FieldRow
            label="Also varied answers"
            help="Off: only requests that always get the same answer, with temperature 0 or a seed."
            disabled={disabled}
          >
            {(marks) => (
              <input
                {...marks}
                type="checkbox"
                className="switch"
                checked={cache.always}
                onChange={(event) => set({ cache: { ...cache, always: event.currentTarget.checked } })}
              />
            )}
          </FieldRow>
        </>
      )}
    </>
  );
}

interface MirrorProps {
  marks: Marks;
  value: Candidate | null;
  onChange: (value: Candidate | null) => void;
}

function MirrorBox({ marks, value, onChange }: MirrorProps) {
  const written = (one: Candidate | null) => (one && typeof one === "object" ? nameOf(one) : "");
  const read = (text: string) => (text.trim() === "" ? null : (candidateFrom(text) ?? Number.NaN));
  const [text, setText] = useState(() => written(value));
  const known = read(text);
  const fits = typeof known === "object" && known && value ? written(known) === written(value) : same(known, value);
  return (
    <input
      {...marks}
      className="control"
      placeholder="provider/model"
      autoComplete="off"
      spellCheck={false}
      value={fits ? text : written(value)}
      onChange={(event) => {
        setText(event.currentTarget.value);
        onChange(read(event.currentTarget.value) as Candidate | null);
      }}
    />
  );
}

function Mirror({ editing }: Part) {
  const { value, set, reason } = editing;
  return (
    <>
      <FieldRow
        label="Ask another one too"
        help="For comparison: its answers are recorded and never sent to the client."
        problem={reason("mirror")}
        disabled={value.readOnly}
      >
        {(marks) => <MirrorBox marks={marks} value={value.mirror} onChange={(mirror) => set({ mirror })} />}
      </FieldRow>
      {value.mirror && (
        <FieldRow
          label="With this share"
          help="Of the requests, 0 to 1."
          problem={reason("mirrorShare")}
          disabled={value.readOnly}
        >
          {(marks) => (
            <NumberBox
              marks={marks}
              value={value.mirrorShare}
              placeholder="1"
              onChange={(mirrorShare) => set({ mirrorShare: mirrorShare ?? 1 })}
            />
          )}
        </FieldRow>
      )}
    </>
  );
}

interface Props extends Part {
  /** The route as it is saved. */
  known: Route;
  states: States | undefined;
}

/** A route, field by field. */
export function RouteForm({ editing, known, states }: Props) {
  const { value, set, reason } = editing;
  const disabled = value.readOnly;
  // What is wrong with candidates was said of those that are saved.
  const untouched = same(value.candidates, known.candidates);
  const problems = Object.fromEntries(
    untouched ? value.problems.map(({ candidate, message }) => [candidate ?? -1, message]) : [],
  );
  return (
    <>
      <section aria-label="Candidates">
        <h2>Who may answer</h2>
        <Candidates route={value} problems={problems} states={states} onChange={(candidates) => set({ candidates })} />
        {reason("candidates") && (
          <p role="alert" className="error">
            {reason("candidates")}
          </p>
        )}
        {!disabled && (
          <AddCandidate
            first={value.candidates.length === 0}
            onAdd={(candidate) => set({ candidates: [...value.candidates, candidate] })}
          />
        )}
        {value.candidates.length > 1 && <Strategies editing={editing} />}
      </section>
      <section aria-label="The route">
        <h2>The route</h2>
        <FieldRow label="Name" help="What clients ask for." problem={reason("name")} disabled={disabled}>
          {(marks) => (
            <input
              {...marks}
              className="control"
              maxLength={200}
              autoComplete="off"
              spellCheck={false}
              value={value.name}
              onChange={(event) => set({ name: event.currentTarget.value })}
            />
          )}
        </FieldRow>
        <FieldRow label="Description" help="What it is for." problem={reason("description")} disabled={disabled}>
          {(marks) => (
            <textarea
              {...marks}
              className="control words"
              rows={2}
              maxLength={2_000}
              value={value.description}
              onChange={(event) => set({ description: event.currentTarget.value })}
            />
          )}
        </FieldRow>
        <FieldRow label="In use" help="Whether it can be asked for." disabled={disabled}>
          {(marks) => (
            <input
              {...marks}
              type="checkbox"
              className="switch"
              checked={value.enabled}
              onChange={(event) => set({ enabled: event.currentTarget.checked })}
            />
          )}
        </FieldRow>
      </section>
      <section aria-label="Parameters">
        <h2>Parameters</h2>
        <RuleEditor
          rules={value.parameters}
          problem={reason("parameters")}
          locked={disabled}
          onChange={(parameters) => set({ parameters })}
        />
      </section>
      <section aria-label="How long to wait">
        <h2>How long to wait</h2>
        <Times editing={editing} />
      </section>
      <section aria-label="Answers">
        <h2>Answers</h2>
        <Kept editing={editing} />
        <Mirror editing={editing} />
      </section>
    </>
  );
}
