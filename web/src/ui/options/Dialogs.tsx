import { Button, Modal } from "@mantine/core";
import type { Option, Values } from "../../api/models";
import { ChangesTable } from "./ChangesTable";

const MODAL = { size: "lg", closeButtonProps: { "aria-label": "Close" }, transitionProps: { duration: 120 } } as const;

interface ReviewProps {
  opened: boolean;
  onClose: () => void;
  options: readonly Option[];
  own: Values;
  inherited: Values;
  changes: Values;
  /** Whether an engine runs that these settings are for. */
  running: boolean;
  saving: boolean;
  onSave: (apply: "now" | "next") => void;
}

/** All changes side by side before they are saved. */
export function ReviewDialog(props: ReviewProps) {
  const { opened, onClose, options, own, inherited, changes, running, saving, onSave } = props;
  const restarts = running && options.some((option) => option.key in changes && option.restart);
  return (
    <Modal {...MODAL} opened={opened} onClose={onClose} title="Review the changes">
      <ChangesTable options={options} before={own} after={changes} inherited={inherited} />
      {restarts && (
        <p className="hint">
          The running engine takes this only with a new start. With “Save and apply now” a new engine starts first and
          takes over when it is ready; if it cannot start, the one that runs now serves on.
        </p>
      )}
      <div className="dialog-actions">
        {restarts && (
          <Button variant="default" loading={saving} onClick={() => onSave("next")}>
            Save for the next start
          </Button>
        )}
        <Button data-autofocus loading={saving} onClick={() => onSave("now")}>
          {restarts ? "Save and apply now" : "Save"}
        </Button>
      </div>
    </Modal>
  );
}

interface ConflictProps {
  opened: boolean;
  options: readonly Option[];
  inherited: Values;
  /** What was there when the page was read, and what somebody else made of it. */
  before: Values;
  after: Values;
  /** The labels of options that both have changed. */
  both: readonly string[];
  onKeep: () => void;
  onDiscard: () => void;
}

/** Somebody else has saved meanwhile: what they changed, and what to do with the own changes. */
export function ConflictDialog({ opened, options, inherited, before, after, both, onKeep, onDiscard }: ConflictProps) {
  return (
    <Modal {...MODAL} opened={opened} onClose={onKeep} title="Somebody else has saved meanwhile">
      <p>These settings were changed after you opened them. Nothing of yours has been saved yet.</p>
      <ChangesTable options={options} before={before} after={after} inherited={inherited} />
      {both.length > 0 && (
        <p className="hint">
          You have changed {both.join(", ")} as well. If you keep your changes, yours count once you save them.
        </p>
      )}
      <div className="dialog-actions">
        <Button variant="default" onClick={onDiscard}>
          Discard my changes
        </Button>
        <Button data-autofocus onClick={onKeep}>
          Keep my changes and look again
        </Button>
      </div>
    </Modal>
  );
}
