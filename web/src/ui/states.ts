import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { patchStates, type States } from "../api/routes";
import { useConnection, usePush } from "./live";

const STATE = "routes:state";

/** How candidates fare just now; while one of them or a key of theirs rests, the page is drawn again each second. */
export function useStates(): States | undefined {
  const client = useQueryClient();
  const live = useConnection();
  const { data } = useQuery({
    queryKey: [STATE, {}],
    queryFn: async () => patchStates(undefined, await live.ask<States>(STATE), Date.now()),
  });
  usePush<States>(STATE, (news) =>
    client.setQueryData<States>([STATE, {}], (known) => patchStates(known, news, Date.now())),
  );
  const resting =
    data?.routes.some(({ candidates }) =>
      candidates.some(({ breaker, restingKeys }) => breaker === "open" || restingKeys.length > 0),
    ) ?? false;
  const [, tick] = useState(0);
  useEffect(() => {
    if (!resting) return;
    const timer = setInterval(() => tick((count) => count + 1), 1_000);
    return () => clearInterval(timer);
  }, [resting]);
  return data;
}
