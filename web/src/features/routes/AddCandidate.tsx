import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { listModels } from "../../api/models";
import type { ProviderModel, Providers } from "../../api/providers";
import { type Candidate, LOCAL } from "../../api/routes";
import type { Model } from "../../api/types";
import { useAsked, useConnection } from "../../ui/live";
import { candidateFrom } from "./words";

/** The names of a provider's models. */
function useNames(provider: string): readonly string[] {
  const live = useConnection();
  const local = provider === LOCAL;
  const own = useQuery<readonly Model[]>({ queryKey: ["models"], queryFn: () => listModels(live), enabled: local });
  const theirs = useAsked<{ models: readonly ProviderModel[] }>(
    "providers:models",
    { name: provider },
    !local && provider !== "",
  );
  if (local) return (own.data ?? []).filter((model) => !model.problem).map(({ name }) => name);
  return (theirs.data?.models ?? []).map(({ name }) => name);
}

/** One more model that may answer. */
export function AddCandidate({ first, onAdd }: { first: boolean; onAdd: (candidate: Candidate) => void }) {
  const id = useId();
  const providers = useAsked<Providers>("providers:list");
  const [provider, setProvider] = useState(LOCAL);
  const [model, setModel] = useState("");
  const names = useNames(provider);
  const found = candidateFrom(`${provider}/${model}`);
  const add = () => {
    if (!found) return;
    onAdd(found);
    setModel("");
  };
  return (
    <fieldset className="inline-form candidate-add">
      <legend>{first ? "Who answers" : "Add a candidate"}</legend>
      <select
        className="control"
        aria-label="Provider"
        value={provider}
        onChange={(event) => {
          setProvider(event.currentTarget.value);
          setModel("");
        }}
      >
        <option value={LOCAL}>This machine (local)</option>
        {providers.data?.providers
          .filter(({ name }) => name !== LOCAL)
          .map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
      </select>
      <input
        className="control"
        aria-label="Model"
        placeholder={names[0] ?? "Model"}
        list={`${id}-names`}
        autoComplete="off"
        spellCheck={false}
        maxLength={512}
        value={model}
        onChange={(event) => setModel(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          add();
        }}
      />
      <datalist id={`${id}-names`}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <Button size="xs" variant="default" disabled={!found} onClick={add}>
        Add
      </Button>
    </fieldset>
  );
}
