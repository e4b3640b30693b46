import { Link } from "@tanstack/react-router";
import type { Model } from "../../api/types";
import { CheckIcon, ChevronIcon, DownIcon, ModelsIcon } from "../../ui/icons";
import { MenuButton } from "../../ui/Menu";

interface Props {
  models: readonly Model[];
  /** The name of the model in use. */
  current: string | null;
  onPick: (name: string) => void;
}

/** How far the model is with loading, 0 to 1, or null when it does not say. */
export const loaded = (model: Model) => model.engine?.progress ?? model.progress ?? null;

/** A model's state in a word or two. */
function told(model: Model): string {
  if (model.problem) return "cannot be used";
  const progress = loaded(model);
  const loading = model.state === "starting" || model.state === "loading";
  if (loading) return progress === null ? "starting" : `starting ${Math.floor(progress * 100)} %`;
  return model.state === "stopped" || model.state === "idle" ? "starts when asked" : model.state;
}

/** The model of a conversation, and the others to change to. */
export function ModelPicker({ models, current, onPick }: Props) {
  const shown = models.find((model) => model.name === current);
  const name = current ?? "No model";
  const demo = shown?.included === true;
  const place = demo ? "Demo" : "Server";
  return (
    <MenuButton
      className="picker"
      label={`Model: ${name} ${place}`}
      listLabel="Models"
      listClassName="picker-list"
      face={
        <>
          <span className="mark" data-state={shown?.state ?? "none"} aria-hidden="true" />
          <span className="picker-name">{name}</span> <span className="badge">{place}</span>
          <ChevronIcon />
        </>
      }
    >
      {models.map((model) => (
        <button
          key={model.name}
          type="button"
          role="menuitemradio"
          aria-checked={model.name === current}
          disabled={!!model.problem}
          onClick={() => onPick(model.name)}
        >
          <span>
            <span className="picker-name">{model.name}</span>
            <span className="facts">
              {[model.quantization, told(model), model.included ? "demo" : null, model.default ? "default" : null]
                .filter(Boolean)
                .join(" · ")}
            </span>
          </span>
          {model.name === current && <CheckIcon />}
        </button>
      ))}
      {models.length > 0 && <hr />}
      {demo && (
        <Link to="/models" role="menuitem">
          <DownIcon /> Get a better model
        </Link>
      )}
      <Link to="/models" role="menuitem">
        <ModelsIcon /> Manage models
      </Link>
    </MenuButton>
  );
}
