import { Modal } from "@mantine/core";
import { Themed } from "../ui/Themed";
import { SHORTCUTS } from "./keys";

/** All keyboard shortcuts. */
export function Help({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Themed>
      <Modal
        opened={opened}
        onClose={onClose}
        title="Keyboard shortcuts"
        closeButtonProps={{ "aria-label": "Close" }}
        transitionProps={{ duration: 120 }}
      >
        <dl className="shortcuts">
          {SHORTCUTS.map(({ keys, does }) => (
            <div key={does}>
              <dt>{does}</dt>
              <dd>
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dd>
            </div>
          ))}
        </dl>
      </Modal>
    </Themed>
  );
}
