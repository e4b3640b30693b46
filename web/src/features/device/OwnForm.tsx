import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { sentence } from "../../api/explain";
import type { OwnKeys } from "../../engine/keys/own";
import type { OwnProvider, ProviderKind } from "../../engine/keys/types";
import { fieldOf } from "../../engine/keys/vault";
import { FieldRow } from "../../ui/entry/Fields";
import { KINDS, lines, toggled } from "./words";
import "../../ui/options/options.css";

/** Rows of a list of models above which it has a filter. */
const MANY = 8;

interface ListedProps {
  listed: readonly string[];
  chosen: readonly string[];
  onToggle: (model: string) => void;
}

/** The models that a provider has, to choose from. */
function Listed({ listed, chosen, onToggle }: ListedProps) {
  const [filter, setFilter] = useState("");
  const shown = listed.filter((model) => model.toLowerCase().includes(filter.trim().toLowerCase()));
  return (
    <fieldset className="own-listed">
      <legend>Models of the provider</legend>
      {listed.length > MANY && (
        <input
          className="control"
          type="search"
          aria-label="Filter the models"
          placeholder={`Filter ${listed.length} models`}
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
      )}
      <div className="own-choices">
        {shown.map((model) => (
          <label key={model} className="check">
            <input type="checkbox" checked={chosen.includes(model)} onChange={() => onToggle(model)} />
            {model}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface Props {
  keys: OwnKeys;
  /** The one to change; null for a new one. */
  known: OwnProvider | null;
  onDone: () => void;
}

/** Adds a provider of the person's own, or changes one. What is typed as key leaves this form only to be encrypted, or to its provider. */
export function OwnForm({ keys, known, onDone }: Props) {
  const [kind, setKind] = useState<ProviderKind>(known?.kind ?? "openai");
  const [name, setName] = useState(known?.name ?? KINDS.openai.name);
  const [baseUrl, setBaseUrl] = useState(known?.baseUrl ?? KINDS.openai.baseUrl);
  const [key, setKey] = useState("");
  const [models, setModels] = useState(known?.models.join("\n") ?? "");
  const [listed, setListed] = useState<readonly string[] | null>(null);
  const [doing, setDoing] = useState<"listing" | "saving" | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const first = useRef<HTMLSelectElement>(null);
  useEffect(() => first.current?.focus(), []);

  const attempt = async (what: "listing" | "saving", work: () => Promise<void>) => {
    setProblem(null);
    setDoing(what);
    await work().catch(setProblem);
    setDoing(null);
  };
  const turn = (next: ProviderKind) => {
    // What was not changed by hand follows the kind.
    if (name === KINDS[kind].name) setName(KINDS[next].name);
    if (baseUrl === KINDS[kind].baseUrl) setBaseUrl(KINDS[next].baseUrl);
    setKind(next);
    setListed(null);
  };
  const typed = key.trim() ? { key } : {};
  const list = () =>
    attempt("listing", async () =>
      setListed(await keys.models({ ...(known && { id: known.id }), kind, baseUrl, ...typed })),
    );
  const save = () =>
    attempt("saving", async () => {
      await keys.save({ ...(known && { id: known.id }), name, kind, baseUrl, models: lines(models), ...typed });
      onDone();
    });
  const field = fieldOf(problem);
  const said = (param: string) => (field === param ? (problem as Error).message : undefined);
  const plain = { className: "control", autoComplete: "off", spellCheck: false } as const;
  return (
    <form
      className="own-form"
      aria-label={known ? `Change ${known.name}` : "Add a provider"}
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <FieldRow label="Kind" help="What its API speaks: most services speak OpenAI's.">
        {(marks) => (
          <select
            {...marks}
            ref={first}
            className="control"
            value={kind}
            onChange={(event) => turn(event.currentTarget.value as ProviderKind)}
          >
            <option value="openai">OpenAI-compatible</option>
            <option value="anthropic">Anthropic</option>
          </select>
        )}
      </FieldRow>
      <FieldRow label="Name" problem={said("name")}>
        {(marks) => (
          <input {...marks} {...plain} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        )}
      </FieldRow>
      <FieldRow label="Address" help="With the path at which its API begins." problem={said("baseUrl")}>
        {(marks) => (
          <input
            {...marks}
            {...plain}
            type="url"
            value={baseUrl}
            onChange={(event) => setBaseUrl(event.currentTarget.value)}
          />
        )}
      </FieldRow>
      <FieldRow
        label="Key"
        help={known?.keyed ? "Leave it empty to keep the one that is here." : "Encrypted in this browser."}
        problem={said("key")}
      >
        {(marks) => (
          <input
            {...marks}
            {...plain}
            type="password"
            placeholder={known?.hint ? `…${known.hint}` : ""}
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
        )}
      </FieldRow>
      <FieldRow label="Models" help="As the provider calls them, one in each line." problem={said("models")}>
        {(marks) => (
          <textarea
            {...marks}
            {...plain}
            rows={3}
            value={models}
            onChange={(event) => setModels(event.currentTarget.value)}
          />
        )}
      </FieldRow>
      {listed && (
        <Listed
          listed={listed}
          chosen={lines(models)}
          onToggle={(model) => setModels((before) => toggled(before, model))}
        />
      )}
      {problem !== null && (field === undefined || !FIELDS.has(field)) && (
        <p role="alert" className="problem">
          {sentence(problem)}
        </p>
      )}
      <div className="dialog-actions">
        <Button size="xs" variant="default" disabled={doing !== null} loading={doing === "listing"} onClick={list}>
          List models
        </Button>
        <Button size="xs" variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button size="xs" type="submit" disabled={doing !== null} loading={doing === "saving"}>
          Save
        </Button>
      </div>
    </form>
  );
}

const FIELDS: ReadonlySet<string> = new Set(["name", "baseUrl", "key", "models"]);
