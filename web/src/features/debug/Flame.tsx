import { type KeyboardEvent, useRef, useState } from "react";
import type { FlameNode } from "../../api/debug";
import { boxes, next, type Weight } from "./flame";
import { took } from "./waterfall";

const place = ({ file, line }: FlameNode) => (line > 0 ? `${file}:${line}` : file);

/** A flame graph: each function below who called it, as wide as its time. Arrow keys move, Enter looks closer, Escape goes back. */
export function Flame({ tree, weight }: { tree: FlameNode; weight: Weight }) {
  const [roots, setRoots] = useState<readonly FlameNode[]>([tree]);
  const [at, setAt] = useState("0");
  const area = useRef<HTMLDivElement>(null);
  const root = roots.at(-1) ?? tree;
  const all = boxes(root, weight);
  const here = all.find((box) => box.id === at) ?? all[0];
  const deepest = Math.max(0, ...all.map((box) => box.depth));
  const look = (node: FlameNode) => {
    if (node === root) return;
    setRoots([...roots, node]);
    setAt("0");
  };
  const back = () => {
    setRoots(roots.slice(0, -1));
    setAt("0");
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Escape" && roots.length > 1) back();
    else if (event.key === "Enter" && here) look(here.node);
    else {
      const to = next(all, here?.id ?? "0", event.key);
      if (!to) return;
      setAt(to.id);
      area.current?.querySelector<HTMLElement>(`[data-id="${to.id}"]`)?.focus();
    }
    event.preventDefault();
  };
  if (all.length === 0) return <p className="hint">Nothing used the processor while it was looked at.</p>;
  return (
    <>
      <p className="flame-at" role="status">
        {here && (
          <>
            <strong>{here.node.name}</strong> <span className="hint">{place(here.node)}</span> {took(here.node[weight])}{" "}
            · {(here.width * 100).toFixed(1)} %
          </>
        )}
        {roots.length > 1 && (
          <button type="button" className="link" onClick={back}>
            Back
          </button>
        )}
      </p>
      <div
        className="flame"
        role="tree"
        aria-label="Functions by time"
        tabIndex={-1}
        ref={area}
        style={{ height: `calc(${deepest + 1} * var(--flame-row))` }}
        onKeyDown={pressed}
      >
        {all.map((box) => (
          <button
            key={box.id}
            type="button"
            role="treeitem"
            aria-level={box.depth + 1}
            aria-selected={box === here}
            aria-label={`${box.node.name}, ${took(box.node[weight])}`}
            tabIndex={box === here ? 0 : -1}
            data-id={box.id}
            data-own={box.node.file.startsWith("corral/")}
            style={{
              left: `${(box.from * 100).toFixed(3)}%`,
              width: `${(box.width * 100).toFixed(3)}%`,
              top: `calc(${box.depth} * var(--flame-row))`,
            }}
            onFocus={() => setAt(box.id)}
            onMouseEnter={() => setAt(box.id)}
            onClick={() => look(box.node)}
          >
            {box.width > 0.03 && box.node.name}
          </button>
        ))}
      </div>
    </>
  );
}
