import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { listMessages } from "../../api/client";
import type { Message } from "../../api/types";
import type { LocalTurns } from "../../engine/local/answering";
import { isLocal, type Journal } from "../../engine/local/journal";
import { together } from "../../engine/local/together";

/** What of the conversations is on this device. */
export interface LocalParts {
  journal: Journal;
  turns: LocalTurns;
}

const NONE: readonly Message[] = [];

/** All that was said in a conversation, on the server and here. One that was begun here leads to its place on the server. */
export function useConversation(agentId: string | null, { journal, turns }: LocalParts) {
  const navigate = useNavigate();
  const onServer = agentId !== null && !isLocal(agentId);
  const { data, error, isPending } = useQuery({
    queryKey: ["messages", agentId],
    queryFn: () => listMessages(agentId ?? ""),
    enabled: onServer,
  });
  const waiting = useSyncExternalStore(journal.watch, journal.turns);
  const heads = useSyncExternalStore(journal.watch, journal.heads);
  const head = heads.find((one) => one.id === agentId);
  const local = useMemo(() => waiting.filter((turn) => turn.conversation === agentId), [waiting, agentId]);
  const all = useMemo(
    () => (agentId === null ? NONE : together(data ?? NONE, local, turns.mine)),
    [agentId, data, local, turns],
  );
  const moved = agentId !== null && isLocal(agentId) ? head?.forked?.agentId : undefined;
  useEffect(() => {
    if (moved) void navigate({ to: "/c/$agentId", params: { agentId: moved }, replace: true });
  }, [moved, navigate]);
  return {
    all,
    error: onServer ? error : null,
    isPending: onServer && isPending && all.length === 0,
    title: head?.title ?? null,
    /** The turns of this conversation that wait for the server, and of all. */
    local,
    unsynced: waiting.filter((turn) => turn.state !== "running").length,
    fork: onServer ? head?.forked : undefined,
  };
}
