import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { sentence } from "../../api/explain";
import type { Model } from "../../api/types";
import { whole } from "../../ui/format";
import { useConnection } from "../../ui/live";
import { DeletedToast } from "./deleted";
import { BetterModel } from "./downloads/BetterModel";
import { DownloadList } from "./downloads/DownloadList";
import { ModelTable } from "./ModelTable";
import "../../ui/controls.css";
import "./models.css";
import "./downloads/downloads.css";
import { ALL, choices, type Filters, matching, SIZES, type Sorting, sorted } from "./rows";
import { useModels } from "./useModels";

type Search = Partial<Filters> & { by?: Sorting["by"]; down?: boolean };

interface Choice {
  label: string;
  value: string;
}
const plain = (values: readonly string[]): Choice[] => values.map((value) => ({ label: value, value }));

function Filter(props: {
  label: string;
  value: string;
  options: readonly Choice[];
  onChange: (value: string) => void;
}) {
  return (
    <select
      className="control"
      aria-label={props.label}
      data-set={props.value !== ""}
      value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value)}
    >
      <option value="">{props.label}</option>
      {props.options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

function FilterBar({ models, filters, set }: { models: readonly Model[]; filters: Filters; set: (s: Search) => void }) {
  const [open, setOpen] = useState(false);
  const change = (name: keyof Filters) => (value: string) => set({ [name]: value || undefined });
  const states = plain(["running", "stopped", "failed"]);
  const fits = [
    { label: "fits", value: "fits" },
    { label: "tight", value: "tight" },
    { label: "too large", value: "no" },
  ];
  return (
    <search className="filters" data-open={open}>
      <input
        type="search"
        className="control"
        aria-label="Search models"
        placeholder="Search models"
        value={filters.text}
        onChange={(event) => change("text")(event.currentTarget.value)}
      />
      <button type="button" className="control" aria-expanded={open} onClick={() => setOpen(!open)}>
        Filters
      </button>
      <Filter label="Any state" value={filters.state} options={states} onChange={change("state")} />
      <Filter label="Any fit" value={filters.fit} options={fits} onChange={change("fit")} />
      <Filter
        label="Any quantisation"
        value={filters.quantization}
        options={plain(choices(models, "quantization"))}
        onChange={change("quantization")}
      />
      <Filter label="Any size" value={filters.size} options={SIZES} onChange={change("size")} />
      <Filter
        label="Any architecture"
        value={filters.architecture}
        options={plain(choices(models, "architecture"))}
        onChange={change("architecture")}
      />
    </search>
  );
}

/** All models: found, filtered, sorted, started and stopped. */
export function ModelsPage() {
  useDocumentTitle("Models · Corral");
  const live = useConnection();
  const navigate = useNavigate();
  const page = useRef<HTMLDivElement>(null);
  const search = useSearch({ strict: false }) as Search;
  // A text that looks like a number is read from the address as one.
  const filters: Filters = { ...ALL, ...search, text: String(search.text ?? "") };
  const sorting: Sorting = { by: search.by ?? "name", down: search.down ?? false };
  const set = (change: Search) => void navigate({ to: "/models", search: { ...search, ...change }, replace: true });
  const { data, error, isPending } = useModels();
  const wanted = useDeferredValue(JSON.stringify({ filters, sorting }));
  const rows = useMemo(() => {
    const { filters, sorting } = JSON.parse(wanted) as { filters: Filters; sorting: Sorting };
    return sorted(matching(data ?? [], filters), sorting);
  }, [data, wanted]);
  const rescan = useMutation({ mutationFn: () => live.request("models:rescan", {}, 120_000) });
  const problem = error ?? rescan.error;
  const filtered = Object.values(filters).some((value) => value !== "");
  return (
    <div className="page wide" ref={page}>
      <header className="page-head">
        <h1>Models</h1>
        <div className="page-actions">
          <Button size="xs" variant="default" loading={rescan.isPending} onClick={() => rescan.mutate()}>
            Look again
          </Button>
          <Button size="xs" component={Link} to="/downloads">
            Get a model
          </Button>
        </div>
      </header>
      {problem && (
        <p role="alert" className="error">
          {sentence(problem)}
        </p>
      )}
      <DeletedToast />
      {isPending && <p className="hint late">Reading the models…</p>}
      {data && !data.some((model) => !model.included && !model.problem) && <BetterModel />}
      <DownloadList />
      {data && data.length > 0 && (
        <>
          <FilterBar models={data} filters={filters} set={set} />
          <p className="hint count" role="status">
            {filtered && `${whole(rows.length)} of `}
            {data.length === 1 ? "1 model" : `${whole(data.length)} models`}
            {filtered && (
              <button type="button" className="link" onClick={() => void navigate({ to: "/models", replace: true })}>
                Show all
              </button>
            )}
          </p>
        </>
      )}
      {rows.length > 0 && (
        <ModelTable rows={rows} sorting={sorting} onSort={({ by, down }) => set({ by, down })} page={page} />
      )}
      {data?.length === 0 && <h2 className="empty">No models yet</h2>}
      {data && (
        <p className="hint">
          A <code>.gguf</code> file put into the folder <code>models</code> of the data folder appears here by itself.
          More folders can be named in the <Link to="/settings">settings</Link>.
        </p>
      )}
    </div>
  );
}
