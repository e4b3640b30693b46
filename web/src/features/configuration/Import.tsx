import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { sentence } from "../../api/explain";
import { useConnection } from "../../ui/live";

interface Imported {
  kind: string;
  imported: Readonly<Record<string, unknown>>;
  skipped: readonly { key: string; reason: string }[];
}

const MOST = 1_000_000;
const WORDS: Record<string, string> = {
  serverConfig: "Options for all models",
  models: "Models folders",
  defaultModel: "Default model",
  modelTemplates: "Templates of models",
};

async function documentOf(file: File): Promise<object> {
  if (file.size > MOST) throw new Error(`${file.name} is too large to be a configuration.`);
  let found: unknown;
  try {
    found = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON.`);
  }
  if (typeof found !== "object" || found === null || Array.isArray(found))
    throw new Error(`${file.name} holds no settings.`);
  return found;
}

/** Takes over the JSON files of an older dashboard. */
export function Import() {
  const live = useConnection();
  const client = useQueryClient();
  const picker = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const take = useMutation({
    mutationFn: async (file: File) =>
      live.intend<Imported>("config:import", { document: await documentOf(file) }, 60_000),
    onSettled: () => client.invalidateQueries(),
  });
  const pick = (files: FileList | null) => {
    const file = files?.[0];
    if (file) take.mutate(file);
  };
  const done = take.data;
  return (
    <>
      <p className="hint">
        Takes over <code>llama-server-config.json</code> and <code>model-templates.json</code> of an older dashboard.
        What cannot be taken over is named with the reason, and the history can take all of it back.
      </p>
      <section
        aria-label="Import a file"
        className="drop"
        data-over={over}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          pick(event.dataTransfer.files);
        }}
      >
        <input
          ref={picker}
          id="import-file"
          type="file"
          accept="application/json,.json"
          className="unseen"
          aria-label="Configuration file"
          tabIndex={-1}
          onChange={(event) => {
            pick(event.currentTarget.files);
            event.currentTarget.value = "";
          }}
        />
        <Button variant="default" loading={take.isPending} onClick={() => picker.current?.click()}>
          Choose a file
        </Button>
        <span className="hint">or drop it here</span>
      </section>
      {take.error && (
        <p role="alert" className="error">
          {sentence(take.error)}
        </p>
      )}
      {done && (
        <section aria-label="What was imported" role="status">
          <h2>{Object.keys(done.imported).length > 0 ? "Taken over" : "Nothing was taken over"}</h2>
          <table className="changes">
            <tbody>
              {Object.entries(done.imported).map(([key, value]) => (
                <tr key={key}>
                  <th scope="row">{WORDS[key] ?? key}</th>
                  <td>
                    <code>{JSON.stringify(value)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {done.skipped.length > 0 && (
            <>
              <h2>Left out</h2>
              <table className="changes">
                <tbody>
                  {done.skipped.map((one) => (
                    <tr key={one.key}>
                      <th scope="row">{one.key}</th>
                      <td>{one.reason}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </>
          )}
        </section>
      )}
    </>
  );
}
