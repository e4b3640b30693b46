import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import { sentence } from "../../api/explain";
import type { Provider, ProviderModel } from "../../api/providers";
import { ago, dollars, whole } from "../../ui/format";
import { useAsked, useConnection } from "../../ui/live";
import { ModelDialog } from "./ModelDialog";
import { abilityWords } from "./words";

interface Listing {
  models: readonly ProviderModel[];
  at: string | null;
  problem: string | null;
}

const SHOWN = 200;
/** A model of which nothing is written down. */
const BLANK = { title: null, contextLength: null, maxOutput: null, prices: null, abilities: null };

/** The written models with one of them changed; a model that was only discovered is written down with its changes. */
export function withModel(known: readonly ProviderModel[], changed: ProviderModel): ProviderModel[] {
  const { source: _, suggested: __, ...plain } = changed;
  const rest = known.map(({ source: _, suggested: __, ...one }) => one);
  const at = rest.findIndex(({ name }) => name === plain.name);
  return at < 0 ? [...rest, plain] : rest.with(at, plain);
}

function Row({ model, provider, onEdit }: { model: ProviderModel; provider: string; onEdit: () => void }) {
  const price = (key: "input" | "output") => dollars(model.prices?.[key]);
  return (
    <tr>
      <th scope="row">
        <button type="button" className="row-name" onClick={onEdit}>
          {model.name}
        </button>
        {model.title && model.title !== model.name && <span className="facts"> {model.title}</span>}
        <span className="facts model-can">{abilityWords(model.abilities)}</span>
      </th>
      <td className="number">{model.contextLength ? whole(model.contextLength) : ""}</td>
      <td className="number">{price("input")}</td>
      <td className="number">{price("output")}</td>
      <td>
        <Link
          to="/playground"
          search={{ model: `${provider}/${model.name}` }}
          aria-label={`Try ${model.name}`}
          className="quiet"
        >
          Try
        </Link>
      </td>
    </tr>
  );
}

interface Props {
  provider: Provider;
  onChange: (provider: Provider) => void;
}

/** The models of a provider with their sizes and prices, which can be corrected. */
export function ProviderModels({ provider, onChange }: Props) {
  const live = useConnection();
  const client = useQueryClient();
  const { name } = provider;
  const key = ["providers:models", { name }];
  const { data, error, isPending } = useAsked<Listing>("providers:models", { name });
  const [text, setText] = useState("");
  const [edited, setEdited] = useState<ProviderModel | null>(null);
  const [added, setAdded] = useState("");
  const wanted = useDeferredValue(text.trim().toLowerCase());
  const refresh = useMutation({
    mutationFn: () => live.request<Listing>("providers:models", { name, refresh: true }, 60_000),
    onSuccess: (listing) => client.setQueryData(key, listing),
  });
  const save = useMutation({
    mutationFn: (model: ProviderModel) =>
      live.request<Provider>("providers:save", {
        name,
        version: provider.version,
        changes: { models: withModel(provider.models, model) },
      }),
    onSuccess: (changed) => {
      setEdited(null);
      setAdded("");
      onChange(changed);
      void client.invalidateQueries({ queryKey: key });
    },
  });
  const found = (data?.models ?? []).filter((model) =>
    `${model.name} ${model.title ?? ""}`.toLowerCase().includes(wanted),
  );
  const failed = error ?? refresh.error;
  const problem = failed ? sentence(failed) : data?.problem;
  return (
    <>
      <div className="options-bar">
        <input
          type="search"
          className="control"
          aria-label="Search models"
          placeholder="Search models"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button variant="default" loading={refresh.isPending} onClick={() => refresh.mutate()}>
          Look again
        </Button>
      </div>
      <p className="hint" role="status">
        {data && `${whole(found.length)} ${found.length === 1 ? "model" : "models"}`}
        {data?.at && `, listed ${ago(new Date(data.at), new Date())}`}
        {found.length > SHOWN && `; the first ${SHOWN} are shown`}
      </p>
      {isPending && <p className="hint late">Asking for its models…</p>}
      {problem && (
        <p role="alert" className="error">
          {problem}
        </p>
      )}
      {found.length > 0 && (
        <table className="model-list" aria-label="Models">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" className="number">
                Context
              </th>
              <th scope="col" className="number" title="US dollars for a million tokens read">
                Reading
              </th>
              <th scope="col" className="number" title="US dollars for a million tokens written">
                Writing
              </th>
              <th scope="col">
                <span className="unseen">Action</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {found.slice(0, SHOWN).map((model) => (
              <Row
                key={model.name}
                model={model}
                provider={name}
                onEdit={() => {
                  save.reset();
                  setEdited(model);
                }}
              />
            ))}
          </tbody>
        </table>
      )}
      {!provider.readOnly && (
        <form
          className="inline-form"
          onSubmit={(event) => {
            event.preventDefault();
            if (added.trim()) save.mutate({ name: added.trim(), ...BLANK });
          }}
        >
          <label htmlFor="model-name">Write down a model that is not listed</label>
          <input
            id="model-name"
            className="control"
            placeholder="As the provider calls it"
            autoComplete="off"
            spellCheck={false}
            maxLength={512}
            value={added}
            onChange={(event) => setAdded(event.currentTarget.value)}
          />
          <Button size="xs" type="submit" disabled={added.trim() === ""} loading={save.isPending && !edited}>
            Add model
          </Button>
          {save.error && !edited && (
            <p role="alert" className="error">
              {sentence(save.error)}
            </p>
          )}
        </form>
      )}
      {edited && (
        <ModelDialog
          key={edited.name}
          model={provider.models.find((one) => one.name === edited.name) ?? { name: edited.name, ...BLANK }}
          listed={edited}
          locked={provider.readOnly}
          saving={save.isPending}
          error={save.error}
          onSave={(model) => save.mutate(model)}
          onClose={() => setEdited(null)}
        />
      )}
    </>
  );
}
