import type { Since } from "../../api/config";
import { sentence } from "../../api/explain";
import type { Option, OptionValue } from "../../api/models";
import { Refused } from "../../engine/connection";
import { told } from "../../ui/options/form";

/** Why a change was not taken back, with what was changed since where that is the reason. */
export function Refusal({ error, options }: { error: Error; options: readonly Option[] }) {
  const details = error instanceof Refused ? (error.details as Partial<Since>) : {};
  const diff = Array.isArray(details.diff) ? (details.diff as Since["diff"]) : [];
  const rows = diff.flatMap((one) => {
    const whose = one.name || "All models";
    if (one.gone) return [{ whose, what: "The model", was: "there", now: "gone" }];
    return Object.entries(one.options).map(([key, { before, now }]) => {
      const option = options.find((known) => known.key === key);
      const word = (value: OptionValue | null) =>
        value === null ? "not set" : option ? told(option, value) : JSON.stringify(value);
      return { whose, what: option?.label ?? key, was: word(before), now: word(now) };
    });
  });
  return (
    <div role="alert" className="refusal">
      <p className="error">{sentence(error)}</p>
      {rows.length > 0 && (
        <table className="changes">
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col">What</th>
              <th scope="col">After the switch</th>
              <th scope="col">Now</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.whose} ${row.what}`}>
                <th scope="row">{row.whose}</th>
                <td>{row.what}</td>
                <td>{row.was}</td>
                <td>{row.now}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {(details.more ?? 0) > 0 && <p className="hint">and {details.more} more models</p>}
    </div>
  );
}
