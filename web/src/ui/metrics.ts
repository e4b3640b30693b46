import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type Metrics, type Range, readHistory, SPAN } from "../api/metrics";
import { append } from "../engine/series";
import { useConnection, usePush } from "./live";

const keyOf = (range: Range) => ["metrics:history", range];

/** The figures of a time that reaches up to now; the newest come as the server measures them. */
export function useMetrics(range: Range) {
  const connection = useConnection();
  const client = useQueryClient();
  const query = useQuery({
    queryKey: keyOf(range),
    queryFn: async () => readHistory(await connection.ask("metrics:history", { range })),
    // Only the shortest range has every measurement; the others are sums that the server makes.
    refetchInterval: range === "10m" ? false : Math.max(60_000, (SPAN[range] * 1000) / 500),
  });
  usePush<Metrics>("metrics:update", (point) => {
    client.setQueryData<readonly Metrics[]>(keyOf("10m"), (known) => known && append(known, point, SPAN["10m"]));
  });
  return query;
}
