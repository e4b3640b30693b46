import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { sentence } from "../../api/explain";
import { GROUPS, type Group, listUsage, type UsageRow } from "../../api/usage";
import { short, whole } from "../../ui/format";
import { Segments } from "../../ui/Segments";
import { costWords, totals, usageName } from "./sums";

const RANGES = [
  { value: "24", label: "24 hours" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
] as const;
const GROUP_WORDS: Readonly<Record<Group, string>> = {
  model: "Models",
  provider: "Providers",
  route: "Routes",
  key: "Keys",
  user: "Users",
};
const FRESH = 15_000;

function Row({ row, group, most }: { row: UsageRow; group: Group; most: number }) {
  const tokens = (value: number) => (
    <td className="number" title={whole(value)}>
      {short(value)}
    </td>
  );
  return (
    <tr>
      <th scope="row">
        {usageName(row, group)}
        <span className="usage-bar" style={{ width: `${(row.requests / most) * 100}%` }} aria-hidden="true" />
      </th>
      <td className="number">{whole(row.requests)}</td>
      <td className="number">{row.failed > 0 ? whole(row.failed) : ""}</td>
      {tokens(row.promptTokens)}
      {tokens(row.completionTokens)}
      <td className="number">{row.firstContentMs === null ? "" : `${whole(row.firstContentMs)} ms`}</td>
      <td className="number">{costWords(row)}</td>
    </tr>
  );
}

/** What was asked lately, by whom or of whom, and what it cost. */
export function Usage() {
  const [hours, setHours] = useState<(typeof RANGES)[number]["value"]>("24");
  const [group, setGroup] = useState<Group>("model");
  const { data, error, isPending } = useQuery({
    queryKey: ["usage", hours, group],
    queryFn: () => listUsage(Number(hours), group),
    refetchInterval: FRESH,
  });
  const most = Math.max(1, ...(data?.rows ?? []).map(({ requests }) => requests));
  const sum = totals(data?.rows ?? []);
  return (
    <>
      <div className="usage-bars">
        <Segments label="Time" options={RANGES} value={hours} onChange={setHours} />
        <Segments
          label="Sums by"
          options={GROUPS.map((value) => ({ value, label: GROUP_WORDS[value] }))}
          value={group}
          onChange={setGroup}
        />
      </div>
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {isPending && <p className="hint late">Adding up…</p>}
      {data?.rows.length === 0 && <h2 className="empty">Nothing was asked in this time</h2>}
      {data && data.rows.length > 0 && (
        <>
          <p className="hint figure" role="status">
            {whole(sum.requests)} {sum.requests === 1 ? "request" : "requests"} · {short(sum.promptTokens)} tokens read
            · {short(sum.completionTokens)} written
            {sum.fromCache > 0 && ` · ${whole(sum.fromCache)} answered from memory`} ·{" "}
            {costWords(sum) || "cost not known"}
            {sum.unpriced > 0 && sum.cost > 0 && `, without ${whole(sum.unpriced)} of unknown price`}
            {data.more && ". The rows with the most requests are shown"}
          </p>
          <table className="attempts usage-table" aria-label={`Usage by ${GROUP_WORDS[group].toLowerCase()}`}>
            <thead>
              <tr>
                <th scope="col">{GROUP_WORDS[group]}</th>
                <th scope="col" className="number">
                  Requests
                </th>
                <th scope="col" className="number">
                  Failed
                </th>
                <th scope="col" className="number">
                  Tokens read
                </th>
                <th scope="col" className="number">
                  Written
                </th>
                <th scope="col" className="number" title="Mean time until the first content">
                  First content
                </th>
                <th scope="col" className="number">
                  Cost
                </th>
              </tr>
            </thead>
            <tbody>
              {data.rows.map((row) => (
                <Row key={usageName(row, group)} row={row} group={group} most={most} />
              ))}
            </tbody>
          </table>
        </>
      )}
    </>
  );
}
