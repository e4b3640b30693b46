import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type History, type Metrics, type Range, SPAN } from "../api/metrics";
import { append } from "../engine/series";
import { useAsked, useConnection, usePush } from "./live";

const keyOf = (range: Range) => ["metrics:history", { range }];
const LATEST = "metrics:latest";

/** The figures of a time that reaches up to now, and the newest ones; these come as the server measures them. */
export function useMetrics(range: Range) {
  const connection = useConnection();
  const client = useQueryClient();
  const history = useQuery({
    queryKey: keyOf(range),
    queryFn: () => connection.ask<History>("metrics:history", { range }),
    // Only the shortest range has every measurement; the others are sums that the server makes.
    refetchInterval: range === "10m" ? false : Math.max(60_000, SPAN[range] * 2),
  });
  const latest = useAsked<Metrics>(LATEST);
  usePush<Metrics>("metrics:update", (point) => {
    client.setQueryData<Metrics>([LATEST, {}], point);
    client.setQueryData<History>(keyOf("10m"), (known) => known && append(known, point, SPAN["10m"]));
  });
  return {
    history: history.data,
    latest: latest.data,
    pending: history.isPending,
    error: history.error ?? latest.error,
  };
}
