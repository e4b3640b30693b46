import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";

interface Props {
  label: string;
  tabs: readonly { id: string; label: string }[];
  at: string;
  onPick: (id: string) => void;
  children: ReactNode;
}

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };

/** Tabs above one panel: arrow keys move between them, Home and End to the ends. */
export function Tabs({ label, tabs, at, onPick, children }: Props) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const here = tabs.findIndex((tab) => tab.id === at);
    const step = STEPS[event.key];
    const next = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : step ? here + step : null;
    if (next === null) return;
    event.preventDefault();
    const place = (next + tabs.length) % tabs.length;
    const tab = tabs[place];
    if (tab) onPick(tab.id);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[place]?.focus();
  };
  return (
    <>
      <div role="tablist" aria-label={label} className="tabs" ref={list} onKeyDown={move}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${id}-${tab.id}`}
            aria-selected={tab.id === at}
            aria-controls={`${id}-panel`}
            tabIndex={tab.id === at ? 0 : -1}
            onClick={() => onPick(tab.id)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${at}`} className="panel">
        {children}
      </div>
    </>
  );
}
