import type { Outbox, OutboxItem } from "../../engine/outbox";
import { UserMessage } from "./UserMessage";

interface Props {
  items: readonly OutboxItem[];
  connected: boolean;
  outbox: Outbox;
  /** Has this device answer a message that waits; null when it cannot. */
  here: ((item: OutboxItem) => void) | null;
}

/** Messages that the server has not acknowledged yet. */
export function Waiting({ items, connected, outbox, here }: Props) {
  return items.map((item, at) => (
    <div key={item.key}>
      <UserMessage text={item.text} />
      <div className="turn-state mine" data-testid="turn-state" role="status" data-state={item.failed ? "failed" : ""}>
        {item.failed ?? (connected ? "Sending" : "Waiting for the connection; it will be sent once")}
        {here && at === 0 && !item.failed && !connected && (
          <button type="button" onClick={() => here(item)}>
            Answer here instead
          </button>
        )}
        {item.failed && (
          <>
            <button type="button" onClick={() => outbox.retry(item.key)}>
              Retry
            </button>
            <button type="button" onClick={() => outbox.remove(item.key)}>
              Discard
            </button>
          </>
        )}
      </div>
    </div>
  ));
}
