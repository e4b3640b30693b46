import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useStore } from "zustand";
import { changeAgent, listAgents, listModels } from "../../api/client";
import type { Agent, Sampling } from "../../api/types";
import { loaded } from "./ModelPicker";
import { samplings } from "./samplings";

const NONE: Sampling = {};

/** The conversation's own facts, its model, and changing it. */
export function useModel(agentId: string | null, place: string) {
  const client = useQueryClient();
  const [picked, setPicked] = useState<string | null>(null);
  const { data: models = [], isSuccess, isPending } = useQuery({ queryKey: ["models"], queryFn: listModels });
  const { data: agents = [] } = useQuery({ queryKey: ["agents"], queryFn: listAgents });
  const kept = useStore(samplings, (all) => all[place]);
  const agent = agents.find((one) => one.id === agentId);
  const change = useMutation({
    mutationFn: (asked: { model?: string; sampling?: Sampling }) => changeAgent(agentId ?? "", asked),
    onMutate: (asked) =>
      client.setQueryData<Agent[]>(["agents"], (known) =>
        known?.map((one) => (one.id === agentId ? { ...one, ...asked } : one)),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: ["agents"] }),
  });
  const current = (agentId === null ? picked : agent?.model) ?? models.find((model) => model.default)?.name ?? null;
  const model = models.find((one) => one.name === current);
  return {
    agent,
    models,
    current,
    picked,
    shown: model,
    model: model && { name: model.name, state: model.state, progress: loaded(model) },
    /** The model that comes with Corral, which is tiny. */
    demo: model?.included === true,
    /** Which models there are is not known yet. */
    unknown: isPending,
    noModel: isSuccess && !models.some((one) => !one.problem),
    problem:
      change.error &&
      `${change.variables?.model ? "The model was" : "The settings were"} not changed: ${change.error.message}`,
    pick: agentId === null ? setPicked : (name: string) => change.mutate({ model: name }),
    sampling: (agentId === null ? kept : agent?.sampling) ?? NONE,
    sample: (sampling: Sampling) => {
      if (agentId === null) samplings.setState({ [place]: sampling });
      else change.mutate({ sampling });
    },
  };
}
