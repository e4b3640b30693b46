import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";

interface Props {
  /** The accessible name of the button, and of the list that it opens. */
  label: string;
  listLabel: string;
  className: string;
  listClassName?: string;
  /** What stands on the button. */
  face: ReactNode;
  /** The entries: buttons or links with the role `menuitem` or `menuitemradio`. */
  children: ReactNode;
}

const ENTRIES = "[role^=menuitem]:not(:disabled)";

/** A button with a menu below it, as the ARIA practices have menu buttons. Light, for the parts that are always loaded. */
export function MenuButton({ label, listLabel, className, listClassName, face, children }: Props) {
  const [open, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const entries = () => [...(place.current?.querySelectorAll<HTMLElement>(ENTRIES) ?? [])];
  useEffect(() => {
    if (!open) return;
    const listed = [...(place.current?.querySelectorAll<HTMLElement>(ENTRIES) ?? [])];
    (listed.find((entry) => entry.ariaChecked === "true") ?? listed[0])?.focus();
    const outside = (event: PointerEvent) => {
      if (!place.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);

  const pressed = (event: KeyboardEvent) => {
    if (!open) {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      event.preventDefault();
      setOpen(true);
      return;
    }
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === "Tab") setOpen(false);
    else if (event.key === "Escape") {
      event.preventDefault();
      setOpen(false);
      button.current?.focus();
    } else {
      const next = goal(event.key, at, all.length);
      if (next === null) return;
      event.preventDefault();
      all[next]?.focus();
    }
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hears the keys of the button and the entries inside
    <div className="menu-place" ref={place} onKeyDown={pressed}>
      <button
        type="button"
        ref={button}
        className={className}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        {face}
      </button>
      {open && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: an entry's own click, by mouse or key, closes the list
        <div
          role="menu"
          tabIndex={-1}
          id={id}
          aria-label={listLabel}
          className={`menu-list ${listClassName ?? ""}`}
          onClick={(event) => {
            if (!(event.target as HTMLElement).closest(ENTRIES)) return;
            setOpen(false);
            button.current?.focus();
          }}
        >
          {children}
        </div>
      )}
    </div>
  );
}

/** Which entry a key leads to, null when it leads to none. */
function goal(key: string, at: number, count: number): number | null {
  if (key === "ArrowDown") return (at + 1) % count;
  if (key === "ArrowUp") return at < 1 ? count - 1 : at - 1;
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : null;
}
