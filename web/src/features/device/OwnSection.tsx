import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { sentence } from "../../api/explain";
import { SERVERLESS } from "../../engine/edition";
import type { OwnKeys } from "../../engine/keys/own";
import type { OwnProvider } from "../../engine/keys/types";
import type { Sealed } from "../../engine/keys/vault";
import { Toast } from "../../ui/Toast";
import { OwnForm } from "./OwnForm";
import { useOwnKeys } from "./useOwnKeys";
import { answered, ownFacts } from "./words";

type Outcome = { ok: boolean; text: string } | "asking";

interface RowProps {
  provider: OwnProvider;
  keys: OwnKeys;
  onEdit: () => void;
  onRemove: () => void;
}

function Row({ provider, keys, onEdit, onRemove }: RowProps) {
  const { id, name, models } = provider;
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const test = () => {
    setOutcome("asking");
    void keys.test({ id }, models[0] ?? "").then(
      (tested) => setOutcome({ ok: true, text: answered(tested) }),
      (reason: unknown) => setOutcome({ ok: false, text: sentence(reason) }),
    );
  };
  return (
    <li data-testid="own-provider">
      <div>
        <strong>{name}</strong>
        {provider.hint && <code className="own-hint">…{provider.hint}</code>}
        <p className="facts">{ownFacts(provider)}</p>
        <p className="facts own-models">{models.join(", ")}</p>
        {outcome && outcome !== "asking" && (
          <p role={outcome.ok ? "status" : "alert"} className={outcome.ok ? "own-good" : "problem"}>
            {outcome.text}
          </p>
        )}
      </div>
      <div className="page-actions">
        <Button size="xs" variant="default" aria-label={`Test ${name}`} loading={outcome === "asking"} onClick={test}>
          Test
        </Button>
        <Button size="xs" variant="default" aria-label={`Change ${name}`} onClick={onEdit}>
          Change
        </Button>
        <Button size="xs" variant="default" aria-label={`Remove ${name}`} onClick={onRemove}>
          Remove
        </Button>
      </div>
    </li>
  );
}

function Where() {
  return (
    <p className="hint">
      Chat from this browser with the models of an account of yours, at OpenAI, Anthropic or any service that speaks as
      they do. The key is kept encrypted in this browser and goes to its provider alone
      {SERVERLESS ? "." : ", never to the Corral server."} The provider sees what you ask it.
      {!SERVERLESS && " The chats themselves are kept like all others."}
    </p>
  );
}

/** The providers that a person asks with keys that only this browser has. */
export function OwnSection({ open }: { open: () => Promise<OwnKeys> }) {
  const { keys, providers, error } = useOwnKeys(open);
  const [editing, setEditing] = useState<OwnProvider | "new" | null>(null);
  const [removed, setRemoved] = useState<Sealed | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const add = useRef<HTMLButtonElement>(null);
  const was = useRef(editing);
  useEffect(() => {
    if (was.current !== null && editing === null) add.current?.focus();
    was.current = editing;
  }, [editing]);
  const attempt = (work: Promise<unknown>) => {
    setFailed(null);
    void work.catch((reason: unknown) => setFailed(sentence(reason)));
  };
  const problem = failed ?? error ?? (isSecureContext ? null : sentence({ code: "device_insecure" }));
  return (
    <section aria-label="Your own keys" className="own">
      <h2>Your own keys</h2>
      <Where />
      {problem && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
      {keys && providers && providers.length > 0 && (
        <ul className="rows">
          {providers.map((provider) => (
            <Row
              key={provider.id}
              provider={provider}
              keys={keys}
              onEdit={() => setEditing(provider)}
              onRemove={() => attempt(keys.remove(provider.id).then(setRemoved))}
            />
          ))}
        </ul>
      )}
      {keys && editing !== null && (
        <OwnForm
          key={editing === "new" ? "new" : editing.id}
          keys={keys}
          known={editing === "new" ? null : editing}
          onDone={() => setEditing(null)}
        />
      )}
      {keys && editing === null && isSecureContext && (
        <Button ref={add} size="xs" variant="default" className="own-add" onClick={() => setEditing("new")}>
          Add a provider
        </Button>
      )}
      {providers && providers.length > 0 && editing === null && (
        <p className="hint">Choose one of their models in the list of models of any chat.</p>
      )}
      {removed && (
        <Toast
          key={removed.id}
          text={`${removed.name} and its key are removed from this browser`}
          onUndo={() => {
            setRemoved(null);
            if (keys) attempt(keys.restore(removed));
          }}
          onClose={() => setRemoved(null)}
        />
      )}
    </section>
  );
}
