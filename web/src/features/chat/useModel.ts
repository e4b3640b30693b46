import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { changeModel, listAgents, listModels } from "../../api/client";
import type { Agent } from "../../api/types";
import { loaded } from "./ModelPicker";

/** The conversation's own facts, its model, and changing it. */
export function useModel(agentId: string | null) {
  const client = useQueryClient();
  const [picked, setPicked] = useState<string | null>(null);
  const { data: models = [], isSuccess } = useQuery({ queryKey: ["models"], queryFn: listModels });
  const { data: agents = [] } = useQuery({ queryKey: ["agents"], queryFn: listAgents });
  const agent = agents.find((one) => one.id === agentId);
  const change = useMutation({
    mutationFn: (name: string) => changeModel(agentId ?? "", name),
    onMutate: (model) =>
      client.setQueryData<Agent[]>(["agents"], (known) =>
        known?.map((one) => (one.id === agentId ? { ...one, model } : one)),
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
    noModel: isSuccess && !models.some((one) => !one.problem),
    problem: change.error?.message ?? null,
    pick: agentId === null ? setPicked : change.mutate,
  };
}
