import type { Option, Values } from "../../api/models";
import { told } from "./form";

interface Props {
  options: readonly Option[];
  before: Values;
  after: Values;
  /** What is shown where a value is not set. */
  inherited: Values;
}

/** What changes from what to what, by option. */
export function ChangesTable({ options, before, after, inherited }: Props) {
  const rows = options.filter((option) => option.key in after);
  const value = (option: Option, values: Values) => {
    const own = values[option.key];
    if (own !== null && own !== undefined) return told(option, own);
    return `${told(option, inherited[option.key])} (not set here)`;
  };
  return (
    <table className="changes">
      <thead>
        <tr>
          <th scope="col">Option</th>
          <th scope="col">Now</th>
          <th scope="col">Then</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((option) => (
          <tr key={option.key}>
            <th scope="row">{option.label}</th>
            <td>
              <del>{value(option, before)}</del>
            </td>
            <td>
              <ins>{value(option, after)}</ins>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
