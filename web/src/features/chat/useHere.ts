import { useNavigate } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import type { Message, Sampling } from "../../api/types";
import { isLocal, newConversation } from "../../engine/local/journal";
import { historyOf } from "../../engine/local/together";
import type { Outbox, OutboxItem } from "../../engine/outbox";
import { type HereModel, ofProvider } from "./place";
import { moveSampling } from "./samplings";
import type { LocalParts } from "./useConversation";

interface Given {
  agentId: string | null;
  parts: LocalParts;
  outbox: Outbox;
  /** All messages, the system prompt first. */
  all: readonly Message[];
  model: HereModel | null;
  sampling: Sampling;
}

/** Having this device answer: a new message, one that waits to be sent, or one that the server has not begun with. */
export function useHere(given: Given) {
  const navigate = useNavigate();
  const [problem, setProblem] = useState<string | null>(null);
  const latest = useRef(given);
  latest.current = given;
  const actions = useMemo(() => {
    const ask = async (text: string, after: number, more: { takes?: string; key?: string } = {}) => {
      const { agentId, parts, all, model, sampling } = latest.current;
      if (!model) throw new Error("There is no model on this device.");
      setProblem(null);
      const conversation = agentId ?? newConversation();
      const history = historyOf(all, after);
      const used = { id: model.id, name: ofProvider(model) ? model.label : model.name };
      await parts.turns.ask({ conversation, after, history, text, model: used, sampling, ...more });
      if (agentId !== null) return;
      moveSampling("new", conversation);
      await navigate({ to: "/c/$agentId", params: { agentId: conversation } });
    };
    const told = async (error: unknown) => {
      const { sentence } = await import("../../api/explain");
      setProblem(sentence(error));
    };
    const last = () => latest.current.all.at(-1)?.seq ?? 1;
    return {
      answer: (text: string) =>
        void ask(text, last()).catch((error) => {
          void told(error);
          // What cannot be kept here waits for the server.
          const { agentId, outbox } = latest.current;
          if (agentId === null || !isLocal(agentId)) outbox.add(text, agentId);
        }),
      /** Its key goes with it: whether the server has it already or not, it is there once. */
      fromOutbox: (item: OutboxItem) => {
        // Until it is on disk here it stays there; sent twice, it is the same turn.
        const { outbox } = latest.current;
        void ask(item.text, last(), { key: item.key })
          .then(() => outbox.remove(item.key))
          .catch(told);
      },
      takeOver: (answer: Message) => {
        const question = latest.current.all.find((message) => message.seq === answer.seq - 1);
        if (question && answer.turnId) void ask(question.content, answer.seq - 2, { takes: answer.turnId }).catch(told);
      },
    };
  }, [navigate]);
  return { ...actions, problem };
}
