import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { Choice, Download, Look } from "../../../api/downloads";
import { sentence } from "../../../api/explain";
import { bytes } from "../../../ui/format";
import { useConnection } from "../../../ui/live";
import { FitMark } from "../State";

/** States after which the same may be asked for once more. */
const AGAIN = new Set(["cancelled", "failed"]);

const verb = (state: string | undefined) => (state === undefined ? "Get" : state === "done" ? "Here" : "Getting");

/** The quantisations of a repository, with the verdict for this machine. */
export function Picker({ look, downloads }: { look: Look; downloads: readonly Download[] }) {
  const live = useConnection();
  const start = useMutation({
    mutationFn: (choice: Choice) =>
      live.intend<Download>("downloads:start", { repo: look.repo, files: choice.files, revision: look.revision }),
  });
  const stateOf = (choice: Choice) =>
    downloads.find((one) => one.repo === look.repo && one.quant === choice.quant && !AGAIN.has(one.state))?.state;
  if (look.choices.length === 0)
    return <p className="hint">There is no GGUF file in {look.repo}. Look for a repository whose name ends in GGUF.</p>;
  return (
    <>
      <h2>{look.repo}</h2>
      <p className="hint">
        Smaller quantisations need less memory and answer less well.{look.licence && ` Licence: ${look.licence}.`}
        {look.gated && " The maker lets only people in who have agreed to the terms on the hub."}
      </p>
      {start.error && (
        <p role="alert" className="error">
          {sentence(start.error)}
        </p>
      )}
      <table className="choices">
        <thead>
          <tr>
            <th scope="col">Quantisation</th>
            <th scope="col">This machine</th>
            <th scope="col" className="number">
              Memory
            </th>
            <th scope="col" className="number">
              Size
            </th>
            <th scope="col">
              <span className="unseen">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {look.choices.map((choice) => (
            <tr key={choice.files[0] ?? choice.quant}>
              <th scope="row">
                {choice.quant} {choice.recommended && <span className="badge">recommended</span>}
              </th>
              <td>{choice.fit ? <FitMark verdict={choice.fit.verdict} /> : "not known"}</td>
              <td className="number">{choice.fit ? bytes(choice.fit.total) : ""}</td>
              <td className="number">{bytes(choice.size)}</td>
              <td>
                <Button
                  size="xs"
                  variant={choice.recommended ? "filled" : "default"}
                  aria-label={`${verb(stateOf(choice))} ${choice.quant}`}
                  disabled={stateOf(choice) !== undefined}
                  loading={start.isPending && start.variables === choice}
                  onClick={() => start.mutate(choice)}
                >
                  {verb(stateOf(choice))}
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
