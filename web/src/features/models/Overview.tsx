import type { Fit, ModelDetail } from "../../api/models";
import { ago, bytes, whole } from "../../ui/format";
import { FitCard } from "./FitCard";
import { trouble } from "./State";

function facts(model: ModelDetail): [string, string | null | undefined][] {
  const count = (value: number | null | undefined, unit = "") => (value ? `${whole(value)}${unit}` : null);
  return [
    ["Title", model.title],
    ["Architecture", model.architecture],
    ["Parameters", count(model.parameters)],
    ["Quantisation", model.quantization],
    ["Size", model.sizeBytes ? bytes(model.sizeBytes) : null],
    ["Longest context", count(model.contextLength, " tokens")],
    ["Layers", count(model.layers)],
    ["Attention heads", count(model.heads)],
    ["Embedding length", count(model.embeddingLength)],
    ["Tokenizer", model.tokenizer],
    ["Licence", model.licence],
    ["Image projector", model.mmproj],
    ["Files", model.parts && model.parts > 1 ? `${model.parts} parts` : null],
    ["Changed", model.modified ? ago(new Date(model.modified * 1000), new Date()) : null],
    ["File", model.path],
  ];
}

function running(model: ModelDetail): [string, string | null | undefined][] {
  const engine = model.engine;
  if (!engine?.pid) return [];
  return [
    ["Started", engine.startedAt ? ago(new Date(engine.startedAt), new Date()) : null],
    ["Memory", engine.memory ? bytes(engine.memory) : null],
    ["Last used", engine.lastUsed ? ago(new Date(engine.lastUsed), new Date()) : null],
    ["Slots", engine.slots ? `${engine.busy ?? 0} of ${engine.slots} busy` : null],
    ["Context", engine.contextLength ? `${whole(engine.contextLength)} tokens` : null],
    ["Waiting requests", engine.waiting ? whole(engine.waiting) : null],
    ["Kept loaded", engine.pinned ? "yes" : null],
    ["Engines", engine.replicas?.length ? engine.replicas.map((one) => `${one.name} ${one.state}`).join(", ") : null],
    ["Restarts after a failure", engine.restarts ? whole(engine.restarts) : null],
    ["Process", String(engine.pid)],
  ];
}

function Facts({ title, entries }: { title: string; entries: [string, string | null | undefined][] }) {
  const known = entries.filter(([, value]) => value);
  if (known.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <dl className="facts-list">
        {known.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** What is known of a model: its trouble, whether it fits, its engine, its file. */
export function Overview({ model, fit }: { model: ModelDetail; fit: Fit | undefined }) {
  // What is wrong with the file stands above all tabs.
  const problem = model.problem ? null : trouble(model);
  const lines = model.engine?.error?.lastLines ?? model.error?.lastLines ?? [];
  return (
    <>
      {problem && (
        <div className="problem" role="alert">
          {problem}
          {lines.length > 0 && <pre>{lines.slice(-12).join("\n")}</pre>}
        </div>
      )}
      {fit && <FitCard fit={fit} />}
      <Facts title="Running" entries={running(model)} />
      <Facts title="The file" entries={facts(model)} />
      {model.chatTemplate && (
        <details className="chat-template">
          <summary>Chat template</summary>
          <pre>{model.chatTemplate}</pre>
        </details>
      )}
    </>
  );
}
