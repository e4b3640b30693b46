import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { sentence } from "../../api/explain";
import type { Kind, Provider, ProviderKey } from "../../api/providers";
import { ago, duration } from "../../ui/format";
import { ArrowIcon } from "../../ui/icons";
import { useConnection } from "../../ui/live";
import { useStates } from "../../ui/states";
import { Toast } from "../../ui/Toast";
import { useKeyProblem } from "./removed";

interface RowProps {
  one: ProviderKey;
  /** Seconds that it rests, after its provider refused more. */
  rests: number;
  first: boolean;
  last: boolean;
  locked: boolean;
  onMove: (step: 1 | -1) => void;
  onRemove: () => void;
}

function KeyRow({ one, rests, first, last, locked, onMove, onRemove }: RowProps) {
  const added = one.createdAt ? `added ${ago(new Date(one.createdAt), new Date())}` : null;
  return (
    <li data-testid="provider-key">
      <div>
        <strong>{one.label}</strong> {one.hint && <code className="key-hint">…{one.hint}</code>}
        <p className="hint">
          {one.source === "database" ? added : `from ${one.source} of the environment`}
          {rests > 0 && ` · rests for ${duration(rests)}, its provider refused more`}
        </p>
        {one.problem && <p className="problem">{one.problem}</p>}
      </div>
      {!locked && (
        <div className="page-actions">
          <button
            type="button"
            className="quiet"
            aria-label={`Use ${one.label} earlier`}
            disabled={first}
            onClick={() => onMove(-1)}
          >
            <ArrowIcon down={false} />
          </button>
          <button
            type="button"
            className="quiet"
            aria-label={`Use ${one.label} later`}
            disabled={last}
            onClick={() => onMove(1)}
          >
            <ArrowIcon down />
          </button>
          <Button size="xs" variant="default" aria-label={`Remove ${one.label}`} onClick={onRemove}>
            Remove
          </Button>
        </div>
      )}
    </li>
  );
}

function AddKey({ provider, needed, onDone }: { provider: Provider; needed: boolean; onDone: (p: Provider) => void }) {
  const live = useConnection();
  const [label, setLabel] = useState("");
  const [secret, setSecret] = useState("");
  const add = useMutation({
    // A secret is sent at once or not at all: it does not wait in a queue.
    mutationFn: () =>
      live.request<Provider>("providers:keys:add", {
        name: provider.name,
        secret: secret.trim(),
        ...(label.trim() && { label: label.trim() }),
      }),
    onSuccess: (changed) => {
      setLabel("");
      setSecret("");
      useKeyProblem.setState({ problem: null });
      onDone(changed);
    },
  });
  return (
    <form
      className="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (secret.trim()) add.mutate();
      }}
    >
      <label htmlFor="key-secret">
        {provider.keys.length > 0 ? "Add a further key" : needed ? "Add a key" : "Add a key, if it asks for one"}
      </label>
      <input
        id="key-secret"
        className="control key-secret"
        type="password"
        autoComplete="off"
        placeholder="Key"
        value={secret}
        onChange={(event) => setSecret(event.currentTarget.value)}
      />
      <input
        className="control"
        aria-label="Name of the key"
        placeholder="Name, if you like"
        maxLength={100}
        autoComplete="off"
        value={label}
        onChange={(event) => setLabel(event.currentTarget.value)}
      />
      <Button size="xs" type="submit" disabled={secret.trim() === ""} loading={add.isPending}>
        Add key
      </Button>
      {add.error && (
        <p role="alert" className="error">
          {sentence(add.error)}
        </p>
      )}
    </form>
  );
}

/** The keys of a provider that rest, by their labels, with the seconds that are left. */
function useResting(provider: string): ReadonlyMap<string, number> {
  const states = useStates();
  const found = (states?.routes ?? []).flatMap(({ candidates, at }) =>
    candidates
      .filter((one) => one.provider === provider)
      .flatMap(({ restingKeys }) => restingKeys)
      .map(({ label, seconds }) => [label, seconds - (at === undefined ? 0 : (Date.now() - at) / 1_000)] as const),
  );
  return new Map(found.filter(([, left]) => left > 0));
}

interface Props {
  provider: Provider;
  kind: Kind | undefined;
  onChange: (provider: Provider) => void;
}

/** The keys of a provider, in the order in which they are used: their ends, never the keys themselves. */
export function Keys({ provider, kind, onChange }: Props) {
  const live = useConnection();
  const { name, keys } = provider;
  const [removed, setRemoved] = useState<ProviderKey | null>(null);
  const failed = useKeyProblem(({ problem }) => (problem?.name === name ? problem.reason : null));
  const resting = useResting(name);
  const remove = useMutation({
    mutationFn: (one: ProviderKey) => live.intend<Provider>("providers:keys:remove", { name, id: one.id }),
    onSuccess: (changed, one) => {
      setRemoved(one);
      onChange(changed);
    },
  });
  const restore = useMutation({
    mutationFn: (one: ProviderKey) => live.intend<Provider>("providers:keys:restore", { name, id: one.id }),
    onSuccess: onChange,
  });
  const order = useMutation({
    mutationFn: (ids: readonly string[]) => live.intend<Provider>("providers:keys:order", { name, ids }),
    onSuccess: onChange,
  });
  const move = (at: number, step: 1 | -1) => {
    const ids = keys.filter((one) => one.source === "database").map((one) => one.id);
    const [moved] = ids.splice(at, 1);
    if (moved !== undefined) order.mutate(ids.toSpliced(at + step, 0, moved));
  };
  const problem = remove.error ?? restore.error ?? order.error;
  return (
    <section aria-label="Keys">
      <h2>Keys</h2>
      {keys.length > 1 && (
        <p className="hint">The first is used. When it is refused more, it rests and the next one takes over.</p>
      )}
      {keys.length === 0 && !kind?.keyNeeded && <p className="hint">It is asked without a key.</p>}
      {(failed ?? problem) && (
        <p role="alert" className="error">
          {failed ? `The key was not taken. ${failed}` : sentence(problem)}
        </p>
      )}
      <ul className="rows">
        {keys.map((one, at) => (
          <KeyRow
            key={one.id}
            one={one}
            rests={resting.get(one.label) ?? 0}
            first={at === 0}
            last={at === keys.length - 1}
            locked={provider.readOnly || one.source !== "database"}
            onMove={(step) => move(at, step)}
            onRemove={() => remove.mutate(one)}
          />
        ))}
      </ul>
      {provider.readOnly ? (
        <p className="hint">
          They are read from the environment: <code>api_key_env</code> in corral.toml names the variables.
        </p>
      ) : (
        <AddKey provider={provider} needed={kind?.keyNeeded ?? false} onDone={onChange} />
      )}
      {removed && (
        <Toast
          key={removed.id}
          text={`The key ${removed.label} was removed`}
          onUndo={() => {
            restore.mutate(removed);
            setRemoved(null);
          }}
          onClose={() => setRemoved(null)}
        />
      )}
    </section>
  );
}
