import { Button, Modal } from "@mantine/core";
import { sentence } from "../../api/explain";
import { shown } from "./entry";
import type { Editing } from "./useEntry";
import "../options/options.css";

/** How many changes wait, what is wrong with them, and saving or dropping them; with it the dialog for a conflict. */
export function SaveBar<T extends { version: number }>({ editing, label }: { editing: Editing<T>; label?: string }) {
  const { dirty, saved, error, conflict, reasons } = editing;
  const several = Object.keys(reasons).length > 1;
  const count = Object.keys(editing.changes).length;
  return (
    <>
      {error && !conflict && (
        <div role="alert" className="error save-error">
          {several ? "It was not saved:" : sentence(error)}
          {several &&
            Object.entries(reasons).map(([field, reason]) => (
              <div key={field}>
                {field}: {reason}
              </div>
            ))}
        </div>
      )}
      {(dirty || saved) && (
        <div className="save-bar" role="status">
          <span>{!dirty ? "Saved ✓" : count === 1 ? "1 change not saved" : `${count} changes not saved`}</span>
          {editing.wrong && <span className="error">Not valid yet</span>}
          {dirty && (
            <div className="page-actions">
              <Button size="xs" variant="default" onClick={editing.discard}>
                Discard
              </Button>
              <Button size="xs" loading={editing.saving} disabled={editing.wrong} onClick={editing.save}>
                {label ?? "Save"}
              </Button>
            </div>
          )}
        </div>
      )}
      <Modal
        size="lg"
        opened={conflict !== null}
        onClose={() => editing.settle(true)}
        title="Somebody else has saved meanwhile"
        closeButtonProps={{ "aria-label": "Close" }}
        transitionProps={{ duration: 120 }}
      >
        <p>This was changed after you opened it. Nothing of yours has been saved yet.</p>
        <table className="changes">
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">Now</th>
              <th scope="col">Yours</th>
            </tr>
          </thead>
          <tbody>
            {conflict?.map(({ field, now, yours }) => (
              <tr key={field}>
                <th scope="row">{field}</th>
                <td>
                  <ins>{shown(now)}</ins>
                </td>
                <td>{shown(yours)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <div className="dialog-actions">
          <Button variant="default" onClick={() => editing.settle(false)}>
            Discard my changes
          </Button>
          <Button data-autofocus onClick={() => editing.settle(true)}>
            Keep my changes and look again
          </Button>
        </div>
      </Modal>
    </>
  );
}
