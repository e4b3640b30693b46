import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo } from "react";
import { sentence } from "../../api/explain";
import type { Catalogue, Fit, ModelDetail, Option, Values } from "../../api/models";
import { START } from "../../api/models";
import { Refused } from "../../engine/connection";
import { useAsked, useConnection } from "../../ui/live";
import { told } from "../../ui/options/form";
import { OptionEditor, type SaveRequest } from "../../ui/options/OptionEditor";
import { FitCard } from "./FitCard";

interface PredictionProps {
  name: string;
  options: readonly Option[];
  /** What counts now, and what is changed of it. */
  effective: Values;
  changes: Values;
  put: (values: Values) => void;
  blame: (fields: Readonly<Record<string, string>>) => void;
}

/** What the changes would need of the memory, said again shortly after each key, with settings that suit the machine. */
function Prediction({ name, options, effective, changes, put, blame }: PredictionProps) {
  const live = useConnection();
  const [asked] = useDebouncedValue(changes, 350);
  const { data, error, isFetching } = useQuery({
    queryKey: ["models:analyze", { name, changes: asked }],
    queryFn: () => live.ask<Fit>("models:analyze", { name, changes: asked }),
    placeholderData: keepPreviousData,
    retry: false,
  });
  useEffect(() => {
    blame(error instanceof Refused ? ((error.details.fields ?? {}) as Record<string, string>) : {});
  }, [error, blame]);
  const fields = error instanceof Refused ? ((error.details.fields ?? {}) as Record<string, string>) : {};
  const wrong = options.filter(({ key }) => key in fields).map(({ label }) => label);
  if (error && !data)
    return (
      <p role="status" className="error">
        {wrong.length > 0 ? `Not predicted while this cannot be used: ${wrong.join(", ")}.` : sentence(error)}
      </p>
    );
  if (!data) return <p className="hint late">Predicting the memory…</p>;
  const advised = options.filter(({ key }) => {
    const value = data.recommended?.[key];
    const now = key in changes ? changes[key] : effective[key];
    // As many threads as there are cores are taken without being asked for.
    return value !== undefined && value !== now && !(key === "threads" && now === -1);
  });
  return (
    <div className="prediction">
      <FitCard fit={data} busy={isFetching}>
        {advised.length > 0 && (
          <p className="hint">
            Recommended for this machine:{" "}
            {advised.map((option) => `${option.label} ${told(option, data.recommended?.[option.key])}`).join(", ")}.{" "}
            <button
              type="button"
              className="link"
              onClick={() => put(Object.fromEntries(advised.map(({ key }) => [key, data.recommended?.[key] ?? null])))}
            >
              Use these
            </button>
          </p>
        )}
      </FitCard>
    </div>
  );
}

/** The settings of one model as a form of the whole catalogue. */
export function OptionsTab({ model, reload }: { model: ModelDetail; reload: () => Promise<unknown> }) {
  const live = useConnection();
  const client = useQueryClient();
  const catalogue = useAsked<Catalogue>("options:list");
  const { configuration } = model;
  const options = useMemo(
    () => (catalogue.data?.options ?? []).filter((option: Option) => option.scopes.includes("model")),
    [catalogue.data],
  );
  const inherited = useMemo(
    () => Object.fromEntries(options.map(({ key, default: none }) => [key, configuration?.server[key] ?? none])),
    [options, configuration],
  );
  const from = useCallback(
    (key: string) => {
      if (configuration?.sources[key] === "settings") return "the settings of the server";
      return (configuration?.server[key] ?? null) === null ? "the default" : "what is set for all models";
    },
    [configuration],
  );
  if (!configuration || !catalogue.data)
    return catalogue.error ? (
      <p role="alert" className="error">
        {sentence(catalogue.error)}
      </p>
    ) : (
      <p className="hint late">Reading the options…</p>
    );
  const save = async (request: SaveRequest) => {
    const saved = await live.request("models:save", { name: model.name, ...request }, START);
    void client.invalidateQueries({ queryKey: ["models:analyze"] });
    return saved;
  };
  return (
    <>
      {configuration.pending && (
        <p className="hint" role="status">
          The engine runs with earlier settings. It takes these with its next start.
        </p>
      )}
      <OptionEditor
        place={`model:${model.name}`}
        catalogue={catalogue.data}
        options={options}
        own={configuration.own}
        inherited={inherited}
        from={from}
        version={configuration.version}
        running={!["stopped", "failed"].includes(model.state)}
        save={save}
        reload={reload}
      >
        {(changes, put, blame) =>
          !model.problem && (
            <Prediction
              name={model.name}
              options={options}
              effective={configuration.effective}
              changes={changes}
              put={put}
              blame={blame}
            />
          )
        }
      </OptionEditor>
    </>
  );
}
