import { Link } from "@tanstack/react-router";
import { SERVERLESS } from "../../engine/edition";
import type { Choice } from "../../engine/local/choice";

interface Props {
  choice: Choice;
  connected: boolean;
  /** How many answers of this device wait to be synced. */
  unsynced: number;
  problem: string | null;
  /** Why the server does not take a turn of this conversation. */
  refused: string | null;
}

const turns = (count: number) => (count === 1 ? "1 turn waits" : `${count} turns wait`);

/** Where the next answer comes from and why, when that is not just the server; and what waits to be synced. */
export function PlaceLine({ choice, connected, unsynced, problem, refused }: Props) {
  if (SERVERLESS) {
    const said = problem ?? (choice.waits || choice.host ? choice.reason : null);
    return said === null ? null : (
      <p className="place-line" role="status" data-testid="place-line">
        <span className={problem ? "error" : undefined}>{said}</span>
      </p>
    );
  }
  const telling = choice.place === "device" || choice.waits || choice.reason.startsWith("Not on");
  if (!telling && unsynced === 0 && !problem && !refused) return null;
  return (
    <p className="place-line" role="status" data-testid="place-line">
      {!connected && <span className="badge">Offline</span>}
      {telling && (
        <span>
          {!choice.host && (choice.place === "device" ? "This device answers: " : "The server answers: ")}
          {choice.reason}
        </span>
      )}
      {unsynced > 0 && <span>{turns(unsynced)} to be synced.</span>}
      {refused && <span className="error">Kept on this device; the server refused: {refused}</span>}
      {problem && <span className="error">{problem}</span>}
    </p>
  );
}

/** Says where turns went that did not fit this conversation any more. */
export function ForkNotice({ fork, onSeen }: { fork: { agentId: string; title: string }; onSeen: () => void }) {
  return (
    <p className="fork-notice" role="status">
      This conversation went on elsewhere. What this device had answered is kept in{" "}
      <Link to="/c/$agentId" params={{ agentId: fork.agentId }}>
        {fork.title}
      </Link>
      <button type="button" className="quiet" onClick={onSeen}>
        Dismiss
      </button>
    </p>
  );
}
