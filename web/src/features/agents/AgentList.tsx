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
  /** Conversations that are on this device alone. */
  here: readonly Agent[];
  /** Changes those, where they stay here; else they can be renamed and deleted when they are synced. */
  own: OwnChats | null;
}

export interface OwnChats {
  rename(id: string, title: string): Promise<unknown>;
  /** Gives the undo. */
  remove(id: string): Promise<() => Promise<unknown>>;
}

/** The conversations in time groups, with rename, delete and undo. */
export function AgentList({ onPick, unread, here, own }: Props) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { agentId } = useParams({ strict: false });
  const { data = [], isPending } = useQuery({ queryKey: ["agents"], queryFn: listAgents });
  const [editing, setEditing] = useState<string | null>(null);
  const [undo, setUndo] = useState<(() => Promise<unknown>) | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const failed = (what: string) => (error: Error) => setProblem(`${what} ${error.message}`);
  const refresh = () => client.invalidateQueries({ queryKey: ["agents"] });
  const mine = (id: string) => here.some((one) => one.id === id);
  const rename = useMutation({
    mutationFn: ({ id, title }: { id: string; title: string }): Promise<unknown> =>
      own && mine(id) ? own.rename(id, title) : renameAgent(id, title),
    onError: failed("The chat was not renamed."),
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: async ({ id }: Agent): Promise<() => Promise<unknown>> => {
      if (own && mine(id)) return own.remove(id);
      await deleteAgent(id);
      return () => restoreAgent(id);
    },
    onSuccess: (back, agent) => {
      setUndo(() => back);
      if (agent.id === agentId) void navigate({ to: "/" });
    },
    onError: failed("The chat was not deleted."),
    onSettled: refresh,
  });
  const restore = useMutation({
    mutationFn: (back: () => Promise<unknown>) => back(),
    onError: failed("The chat was not brought back."),
    onSettled: refresh,
  });

  useEffect(() => {
    if (!undo && !problem) return;
    const timer = setTimeout(() => {
      setUndo(null);
      setProblem(null);
    }, UNDO_FOR);
    return () => clearTimeout(timer);
  }, [undo, problem]);

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
                  <span className="row-actions" hidden={own === null && here.includes(agent)}>
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
      {undo && !problem && (
        <div className="toast" role="status">
          <span>Chat deleted</span>
          <button
            type="button"
            onClick={() => {
              restore.mutate(undo);
              setUndo(null);
            }}
          >
            Undo
          </button>
        </div>
      )}
    </nav>
  );
}
