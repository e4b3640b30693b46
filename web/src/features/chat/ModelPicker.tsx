import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Model } from "../../api/types";
import { SERVERLESS } from "../../engine/edition";
import type { OwnModel } from "../../engine/keys/types";
import type { DeviceModel } from "../../engine/local/files";
import { bytes } from "../../ui/format";
import { CheckIcon, ChevronIcon, DownIcon, ModelsIcon } from "../../ui/icons";
import { MenuButton } from "../../ui/Menu";
import { type HereModel, ofProvider, type Wish, wishes } from "./place";

interface Props {
  models: readonly Model[];
  /** The name of the model in use. */
  current: string | null;
  onPick: (name: string) => void;
  /** What this device has, and whether it gives the next answer. */
  here: {
    answers: boolean;
    model: HereModel | null;
    models: readonly DeviceModel[];
    /** Those of providers that this browser has a key for. */
    own: readonly OwnModel[];
    wish: Wish;
    onPick: (id: string) => void;
    /** The list is open: what this device has is to be known. */
    onLook: () => void;
  };
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

/** What of a model is on this device. */
function stored(model: DeviceModel): string {
  if (model.state === "downloading") return `${Math.floor((100 * model.stored) / Math.max(1, model.bytes))} %`;
  if (model.usable !== null) return "on this device";
  return model.fits ? `download ${bytes(model.bytes)}` : (model.reason ?? "does not fit");
}

function DeviceModels({ here }: Pick<Props, "here">) {
  const { models, own, model: chosen, wish } = here;
  const shown = models.filter((model) => model.usable !== null || model.offered);
  useEffect(here.onLook, []);
  if (shown.length + own.length === 0) return null;
  const used = (id: string) => wish.place === "device" && id === chosen?.id;
  const items = [
    ...shown.map((model) => ({
      id: model.id,
      name: model.name,
      facts: stored(model),
      disabled: model.usable === null && !model.fits,
    })),
    ...own.map(({ id, name, host }) => ({ id, name, facts: `your key · ${host}`, disabled: false })),
  ];
  return (
    <>
      <hr />
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is no group of a menu */}
      <div role="group" aria-label="This device">
        <span className="menu-heading" aria-hidden="true">
          This device
        </span>
        {items.map(({ id, name, facts, disabled }) => (
          <button
            key={id}
            type="button"
            role="menuitemradio"
            aria-checked={used(id)}
            disabled={disabled}
            onClick={() => here.onPick(id)}
          >
            <span>
              <span className="picker-name">{name}</span>
              <span className="facts">{facts}</span>
            </span>
            {used(id) && <CheckIcon />}
          </button>
        ))}
        {!SERVERLESS && shown.length > 0 && (
          <button
            type="button"
            role="menuitemcheckbox"
            aria-checked={wish.place === "auto"}
            onClick={() => wishes.setState({ place: wish.place === "auto" ? "server" : "auto" })}
          >
            <span>
              <span className="picker-name">Answer here when the server is away or busy</span>
            </span>
            {wish.place === "auto" && <CheckIcon />}
          </button>
        )}
      </div>
    </>
  );
}

/** The model of a conversation, and the others to change to, on the server and on this device. */
export function ModelPicker({ models, current, onPick, here }: Props) {
  const shown = models.find((model) => model.name === current);
  const local = here.answers ? here.model : null;
  const name = local?.name ?? current ?? "No model";
  const demo = shown?.included === true;
  const place = ofProvider(local) ? "Your key" : local || SERVERLESS ? "This device" : demo ? "Demo" : "Server";
  const used = (model: Model) => here.wish.place !== "device" && model.name === current;
  const pick = (model: string) => {
    if (here.wish.place === "device") wishes.setState({ place: "auto" });
    onPick(model);
  };
  return (
    <MenuButton
      className="picker"
      label={`Model: ${name} ${place}`}
      listLabel="Models"
      listClassName="picker-list"
      face={
        <>
          <span className="mark" data-state={local ? "ready" : (shown?.state ?? "none")} aria-hidden="true" />
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
          aria-checked={used(model)}
          disabled={!!model.problem}
          onClick={() => pick(model.name)}
        >
          <span>
            <span className="picker-name">{model.name}</span>
            <span className="facts">
              {[model.quantization, told(model), model.included ? "demo" : null, model.default ? "default" : null]
                .filter(Boolean)
                .join(" · ")}
            </span>
          </span>
          {used(model) && <CheckIcon />}
        </button>
      ))}
      <DeviceModels here={here} />
      {models.length > 0 && <hr />}
      {demo && (
        <Link to="/models" role="menuitem">
          <DownIcon /> Get a better model
        </Link>
      )}
      <Link to={SERVERLESS ? "/device" : "/models"} role="menuitem">
        <ModelsIcon /> Manage models
      </Link>
    </MenuButton>
  );
}
