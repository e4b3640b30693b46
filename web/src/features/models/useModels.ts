import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { listModels, modelAction, patchModels } from "../../api/models";
import type { Model } from "../../api/types";
import { useConnection } from "../../ui/live";

const KEY = ["models"];

/** All models; the app keeps them true by the server's news. */
export function useModels() {
  const live = useConnection();
  return useQuery<readonly Model[]>({ queryKey: KEY, queryFn: () => listModels(live) });
}

/** Starts, stops and restarts a model. The state itself comes as news. */
export function useModelAction(name: string) {
  const live = useConnection();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (action: "start" | "stop" | "restart") => modelAction(live, name, action),
    onSuccess: (model) =>
      client.setQueryData<readonly Model[]>(KEY, (known) => known && patchModels(known, { models: [model] })),
  });
}
