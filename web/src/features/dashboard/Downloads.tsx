import { Progress } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Download } from "../../api/downloads";
import { bytes, duration } from "../../ui/format";
import { useAsked, usePush } from "../../ui/live";

const LIST = "downloads:list";
const OVER = new Set(["done", "cancelled"]);

/** Downloads that are under way or need somebody; nothing when there are none. */
export function Downloads() {
  const client = useQueryClient();
  usePush<{ downloads: Download[] }>("downloads:changed", ({ downloads }) =>
    client.setQueryData([LIST, {}], { downloads }),
  );
  const { data } = useAsked<{ downloads: Download[] }>(LIST);
  const shown = (data?.downloads ?? []).filter(({ state }) => !OVER.has(state));
  if (shown.length === 0) return null;
  return (
    <section aria-labelledby="downloads-title">
      <header className="part-head">
        <h2 id="downloads-title" className="part">
          Downloads
        </h2>
        <Link to="/downloads" className="more">
          All downloads
        </Link>
      </header>
      <ul className="strip">
        {shown.map(({ id, repo, quant, state, done, total, rate, eta, problem }) => (
          <li key={id}>
            <span className="strip-name" title={repo}>
              {repo} {quant}
            </span>
            <span className="strip-facts">
              {total === null ? bytes(done) : `${bytes(done)} of ${bytes(total)}`}
              {state === "running" && rate ? ` · ${bytes(rate)}/s` : ` · ${state}`}
              {state === "running" && eta ? ` · ${duration(eta)} left` : ""}
            </span>
            <Progress
              size="xs"
              value={total ? (done / total) * 100 : 0}
              color={state === "failed" ? "red" : undefined}
              aria-label={`Download of ${repo}`}
            />
            {problem && (
              <p className="error" role="alert">
                {problem}
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
