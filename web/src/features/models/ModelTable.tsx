import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type RefObject, useLayoutEffect, useRef, useState } from "react";
import { sentence } from "../../api/explain";
import type { Model } from "../../api/types";
import { density } from "../../ui/density";
import { bytes, short, whole } from "../../ui/format";
import { ArrowIcon } from "../../ui/icons";
import type { Column, Sorting } from "./rows";
import { FitMark, loading, State, trouble } from "./State";
import { useModelAction } from "./useModels";

const COLUMNS: readonly { by: Column; label: string; number?: boolean }[] = [
  { by: "name", label: "Name" },
  { by: "state", label: "State" },
  { by: "fit", label: "Fit" },
  { by: "quantization", label: "Quantisation" },
  { by: "parameters", label: "Parameters", number: true },
  { by: "size", label: "Size", number: true },
  { by: "context", label: "Context", number: true },
];
const ROWS = { comfortable: 52, compact: 40 };

function Action({ model }: { model: Model }) {
  const act = useModelAction(model.name);
  const active = ["ready", "busy", "starting", "loading", "sleeping"].includes(model.state);
  const action = active ? "stop" : "start";
  return (
    <>
      <button
        type="button"
        className="button"
        aria-label={`${active ? "Stop" : "Start"} ${model.name}`}
        disabled={!!model.problem || model.state === "stopping" || (act.isPending && !active)}
        onClick={() => act.mutate(action)}
      >
        {active ? "Stop" : "Start"}
      </button>
      {act.error && !trouble(model) && (
        <span role="alert" className="problem">
          {sentence(act.error)}
        </span>
      )}
    </>
  );
}

const Row = memo(function Row({ model }: { model: Model }) {
  const problem = trouble(model);
  const part = loading(model);
  const facts = [model.quantization, model.sizeBytes ? bytes(model.sizeBytes) : null].filter(Boolean).join(" · ");
  return (
    <>
      <td className="cell-name">
        <Link to="/models/$name" params={{ name: model.name }} title={model.name}>
          {model.name}
        </Link>
        {model.default && <span className="badge">default</span>}
        <span className="facts narrow-only">{facts}</span>
        {problem && (
          <span className="problem" role="alert">
            {problem}
          </span>
        )}
      </td>
      <td>
        <State model={model} />
        {part !== null && <span className="row-progress" style={{ width: `${part * 100}%` }} aria-hidden="true" />}
      </td>
      <td>
        <FitMark verdict={model.fit} />
      </td>
      <td>{model.quantization}</td>
      <td className="number">{model.parameters ? short(model.parameters) : ""}</td>
      <td className="number">{model.sizeBytes ? bytes(model.sizeBytes) : ""}</td>
      <td className="number" title={model.contextLength ? `${whole(model.contextLength)} tokens` : undefined}>
        {model.contextLength ? whole(model.contextLength) : ""}
      </td>
      <td className="cell-action">
        <Action model={model} />
      </td>
    </>
  );
});

interface Props {
  rows: readonly Model[];
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
  /** What scrolls. */
  page: RefObject<HTMLElement | null>;
}

/** The models as a table that draws only the rows in sight. */
export function ModelTable({ rows, sorting, onSort, page }: Props) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [above, setAbove] = useState(0);
  const height = ROWS[density()];
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => page.current,
    estimateSize: () => height,
    getItemKey: (at) => rows[at]?.name ?? at,
    scrollMargin: above,
    overscan: 8,
  });
  const { isScrolling } = virtual;
  // What stands above the rows may grow; the rows must know where they begin. Asking for it lays the page out at once, so it is
  // asked when a scroll begins and ends, not at each picture.
  // biome-ignore lint/correctness/useExhaustiveDependencies: they say when
  useLayoutEffect(() => setAbove(body.current?.offsetTop ?? 0), [isScrolling, rows]);
  return (
    <table aria-label="Models" aria-rowcount={rows.length + 1} className="table">
      <thead className="table-head">
        <tr aria-rowindex={1} className="table-row">
          {COLUMNS.map(({ by, label, number }) => {
            const active = sorting.by === by;
            return (
              <th
                key={by}
                scope="col"
                aria-sort={active ? (sorting.down ? "descending" : "ascending") : "none"}
                className={number ? "number" : undefined}
              >
                <button type="button" onClick={() => onSort({ by, down: active ? !sorting.down : !!number })}>
                  {label}
                  {active && <ArrowIcon down={sorting.down} />}
                </button>
              </th>
            );
          })}
          <th scope="col">
            <span className="unseen">Action</span>
          </th>
        </tr>
      </thead>
      <tbody ref={body} className="table-body" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const model = rows[item.index];
          return (
            model && (
              <tr
                key={item.key}
                ref={virtual.measureElement}
                data-index={item.index}
                data-testid="model-row"
                aria-rowindex={item.index + 2}
                className="table-row"
                style={{ transform: `translateY(${item.start - above}px)` }}
              >
                <Row model={model} />
              </tr>
            )
          );
        })}
      </tbody>
    </table>
  );
}
