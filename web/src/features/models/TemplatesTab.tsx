import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { sentence } from "../../api/explain";
import type { Catalogue, ModelDetail, Template } from "../../api/models";
import { useAsked, useConnection, usePush } from "../../ui/live";
import { told } from "../../ui/options/form";
import { Toast } from "../../ui/Toast";

interface Applied {
  template: string;
  results: { name: string; ok: boolean; applied?: string; error?: string }[];
}

function Summary({ template, catalogue }: { template: Template; catalogue: Catalogue | undefined }) {
  const said = Object.entries(template.values).map(([key, value]) => {
    const option = catalogue?.options.find((one) => one.key === key);
    return option ? `${option.label} ${told(option, value)}` : key;
  });
  return <p className="hint">{said.length === 0 ? "Sets nothing." : said.join(" · ")}</p>;
}

/** Settings under a name: put on this model, or made from it. */
export function TemplatesTab({ model, reload }: { model: ModelDetail; reload: () => Promise<unknown> }) {
  const live = useConnection();
  const client = useQueryClient();
  const catalogue = useAsked<Catalogue>("options:list");
  const { data, error } = useAsked<{ templates: Template[] }>("templates:list");
  const [name, setName] = useState("");
  const [removed, setRemoved] = useState<Template | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ["templates:list"] });
  usePush("templates:changed", () => void refresh());
  const values = model.configuration?.own ?? {};
  const count = Object.values(values).filter((value) => value !== null).length;
  const save = useMutation({
    mutationFn: ({ name, values, description }: Pick<Template, "name" | "values"> & { description?: string }) =>
      live.intend("templates:save", { name, values, description }),
    onSuccess: () => setName(""),
    onSettled: refresh,
  });
  const apply = useMutation({
    mutationFn: (template: Template) =>
      live.intend<Applied>("templates:apply", { name: template.name, models: [model.name] }),
    onSettled: reload,
  });
  const remove = useMutation({
    mutationFn: (template: Template) => live.intend("templates:delete", { name: template.name }),
    onSuccess: (_, template) => setRemoved(template),
    onSettled: refresh,
  });
  const problem = error ?? save.error ?? apply.error ?? remove.error;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") save.mutate({ name: name.trim(), values });
  };
  return (
    <>
      <p className="hint">
        A template is a set of options under a name. Put it on any model; what it does not set stays.
      </p>
      {problem && (
        <p role="alert" className="error">
          {sentence(problem)}
        </p>
      )}
      {data?.templates.length === 0 && <h2 className="empty">No templates yet</h2>}
      <ul className="rows">
        {data?.templates.map((template) => (
          <li key={template.name}>
            <div>
              <strong>{template.name}</strong>
              {model.template === template.name && <span className="badge">applied</span>}
              {template.description && <span className="facts"> {template.description}</span>}
              <Summary template={template} catalogue={catalogue.data} />
              {template.problem && <p className="problem">{template.problem}</p>}
            </div>
            <div className="page-actions">
              <Button
                size="xs"
                variant="default"
                aria-label={`Delete ${template.name}`}
                onClick={() => remove.mutate(template)}
              >
                Delete
              </Button>
              <Button
                size="xs"
                aria-label={`Apply ${template.name}`}
                disabled={!!template.problem}
                loading={apply.isPending && apply.variables === template}
                onClick={() => apply.mutate(template)}
              >
                Apply
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {apply.data?.results.map((result) =>
        result.ok ? (
          <p key={result.name} role="status" className="hint">
            “{apply.data.template}” is set.
            {result.applied === "next" && " A running engine takes it with its next start."}
          </p>
        ) : (
          <p key={result.name} role="alert" className="error">
            {result.error}
          </p>
        ),
      )}
      <form className="inline-form" onSubmit={submit}>
        <label htmlFor="template-name">Make a template of what is set for this model</label>
        <input
          id="template-name"
          className="control"
          placeholder="Name"
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Button size="xs" type="submit" disabled={count === 0 || name.trim() === ""} loading={save.isPending}>
          Save template
        </Button>
        {count === 0 && <span className="hint">Nothing is set for this model yet.</span>}
      </form>
      {removed && (
        <Toast
          text={`Template “${removed.name}” deleted`}
          onUndo={() => {
            save.mutate(removed);
            setRemoved(null);
          }}
          onClose={() => setRemoved(null)}
        />
      )}
    </>
  );
}
