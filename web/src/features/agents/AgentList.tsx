import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { deleteAgent, listAgents, renameAgent, restoreAgent } from "../../api/client";
import type { Agent } from "../../api/types";
import { PencilIcon, TrashIcon } from "../../ui/icons";
import { timeGroups } from "./groups";

const UNDO_FOR = 8_000;

interface Props {
  onPick: () => void;
  unread: readonly string[];
  /** Conversations that are on this device alone; they can be renamed and deleted when they are synced. */
  here: readonly Agent[];
}

/** The conversations in time groups, with rename, delete and undo. */
export function AgentList({ onPick, unread, here }: Props) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { agentId } = useParams({ strict: false });
  const { data = [], isPending } = useQuery({ queryKey: ["agents"], queryFn: listAgents });
  const [editing, setEditing] = useState<string | null>(null);
  const [deleted, setDeleted] = useState<Agent | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const failed = (what: string) => (error: Error) => setProblem(`${what} ${error.message}`);
  const refresh = () => client.invalidateQueries({ queryKey: ["agents"] });
  const rename = useMutation({
    mutationFn: ({ id, title }: { id: string; title: string }) => renameAgent(id, title),
    onError: failed("The chat was not renamed."),
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: (agent: Agent) => deleteAgent(agent.id),
    onSuccess: (_, agent) => {
      setDeleted(agent);
      if (agent.id === agentId) void navigate({ to: "/" });
    },
    onError: failed("The chat was not deleted."),
    onSettled: refresh,
  });
  const restore = useMutation({
    mutationFn: (agent: Agent) => restoreAgent(agent.id),
    onError: failed("The chat was not brought back."),
    onSettled: refresh,
  });

  useEffect(() => {
    if (!deleted && !problem) return;
    const timer = setTimeout(() => {
      setDeleted(null);
      setProblem(null);
    }, UNDO_FOR);
    return () => clearTimeout(timer);
  }, [deleted, problem]);

  const shown = [...here, ...data].filter((agent) => agent.messageCount > 0);
  return (
    <nav aria-label="Chats" className="agents">
      {shown.length === 0 && !isPending && <p className="hint">Your chats will be listed here.</p>}
      {timeGroups(shown, new Date()).map((group) => (
        <section key={group.label}>
          <h2>{group.label}</h2>
          {group.agents.map((agent) => (
            <div key={agent.id} className="agent" data-current={agent.id === agentId}>
              {editing === agent.id ? (
                <input
                  aria-label="Title"
                  defaultValue={agent.title}
                  maxLength={200}
                  ref={(input) => input?.focus()}
                  onBlur={(event) => {
                    const title = event.target.value.trim();
                    setEditing(null);
                    if (title !== "" && title !== agent.title) rename.mutate({ id: agent.id, title });
                  }}
                  onKeyDown={(event) => {
                    if (event.key === "Enter") event.currentTarget.blur();
                    if (event.key === "Escape") setEditing(null);
                  }}
                />
              ) : (
                <>
                  <Link to="/c/$agentId" params={{ agentId: agent.id }} onClick={onPick} title={agent.title}>
                    {agent.title}
                  </Link>
                  {agent.state !== "idle" && <span className="spinner" role="img" aria-label="Answering" />}
                  {agent.state === "idle" && unread.includes(agent.id) && (
                    <span className="unread" role="img" aria-label="New answer" />
                  )}
                  <span className="row-actions" hidden={here.includes(agent)}>
                    <button type="button" aria-label={`Rename ${agent.title}`} onClick={() => setEditing(agent.id)}>
                      <PencilIcon />
                    </button>
                    <button type="button" aria-label={`Delete ${agent.title}`} onClick={() => remove.mutate(agent)}>
                      <TrashIcon />
                    </button>
                  </span>
                </>
              )}
            </div>
          ))}
        </section>
      ))}
      {problem && (
        <div className="toast" role="alert">
          <span>{problem}</span>
          <button type="button" onClick={() => setProblem(null)}>
            Close
          </button>
        </div>
      )}
      {deleted && !problem && (
        <div className="toast" role="status">
          <span>Chat deleted</span>
          <button
            type="button"
            onClick={() => {
              restore.mutate(deleted);
              setDeleted(null);
            }}
          >
            Undo
          </button>
        </div>
      )}
    </nav>
  );
}
