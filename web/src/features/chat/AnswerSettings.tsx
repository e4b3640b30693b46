import { lazy, Suspense, useRef, useState } from "react";
import { useStore } from "zustand";
import type { Sampling } from "../../api/types";
import { isEmpty, presetOf } from "../../engine/sampling";
import { SlidersIcon } from "../../ui/icons";
import { presets } from "./samplings";

const Dialog = lazy(async () => ({ default: (await import("./SettingsDialog")).SettingsDialog }));

/** How the answers of a conversation are sampled; what changes it is loaded with the first time. */
export function AnswerSettings({ sampling, onChange }: { sampling: Sampling; onChange: (sampling: Sampling) => void }) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    // The dialog goes at once, and so would the focus.
    setTimeout(() => button.current?.focus());
  };
  const mine = useStore(presets, (all) => all.mine);
  const set = !isEmpty(sampling);
  const name = set ? (presetOf(sampling, mine)?.name ?? "changed") : null;
  const label = name === null ? "Answer settings" : `Answer settings: ${name}`;
  return (
    <>
      <button
        ref={button}
        type="button"
        className="quiet settings-button"
        aria-label={label}
        aria-haspopup="dialog"
        title={label}
        data-set={set}
        onClick={() => setOpen(true)}
      >
        <SlidersIcon />
      </button>
      {open && (
        <Suspense fallback={null}>
          <Dialog
            sampling={sampling}
            onUse={(chosen) => {
              onChange(chosen);
              close();
            }}
            onClose={close}
          />
        </Suspense>
      )}
    </>
  );
}
