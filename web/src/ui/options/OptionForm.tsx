import { type ReactNode, useCallback, useState } from "react";
import type { Catalogue, Option, Values } from "../../api/models";
import { type Edits, found } from "./form";
import { OptionField } from "./OptionField";
import "../controls.css";
import "./options.css";

interface Props {
  catalogue: Catalogue;
  /** Those of the catalogue that can be set here. */
  options: readonly Option[];
  own: Values;
  inherited: Values;
  /** Where an inherited value comes from, in words. */
  from: (key: string) => string;
  edits: Edits;
  onEdit: (change: (before: Edits) => Edits) => void;
  problems: Readonly<Record<string, string>>;
  children?: ReactNode;
}

/** All options in groups, with a search over all of them and a view of only those that are set. */
export function OptionForm({ catalogue, options, own, inherited, from, edits, onEdit, problems, children }: Props) {
  const [group, setGroup] = useState(catalogue.groups[0]?.name ?? "");
  const [text, setText] = useState("");
  const [onlySet, setOnlySet] = useState(false);
  const [all, setAll] = useState(false);
  const isSet = (option: Option) => {
    const edit = edits[option.key];
    return edit !== undefined
      ? edit !== null && edit !== ""
      : own[option.key] !== null && own[option.key] !== undefined;
  };
  const wanted = (option: Option) => isSet(option) || edits[option.key] !== undefined || option.key in problems;
  const set = useCallback(
    (key: string, edit: string | null | undefined) =>
      onEdit((before) => {
        if (edit !== undefined) return { ...before, [key]: edit };
        const { [key]: _, ...rest } = before;
        return rest;
      }),
    [onEdit],
  );
  const across = text.trim() !== "" || onlySet;
  const groups = catalogue.groups.filter((one) => options.some((option) => option.group === one.name));
  const here = groups.some((one) => one.name === group) ? group : (groups[0]?.name ?? "");
  const matches = found(options, text).filter((option) => !onlySet || wanted(option));
  const shown = across ? matches : matches.filter((option) => option.group === here);
  const visible = across || all ? shown : shown.filter((option) => !option.advanced || wanted(option));
  return (
    <div className="options">
      <div className="options-bar">
        <input
          type="search"
          className="control"
          aria-label="Search options"
          placeholder="Search options, flags and help"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <label className="check">
          <input
            type="checkbox"
            className="switch"
            checked={onlySet}
            onChange={(event) => setOnlySet(event.currentTarget.checked)}
          />
          Only what is set
        </label>
      </div>
      <nav aria-label="Groups of options" className="option-groups">
        {groups.map((one) => {
          const members = options.filter((option) => option.group === one.name);
          const count = members.filter(isSet).length;
          const wrong = members.some((option) => option.key in problems);
          return (
            <button
              key={one.name}
              type="button"
              aria-current={!across && one.name === here ? "true" : undefined}
              onClick={() => {
                setGroup(one.name);
                setText("");
                setOnlySet(false);
              }}
            >
              {one.label}
              {wrong && <span className="mark" data-state="failed" role="img" aria-label="has a problem" />}
              {count > 0 && (
                <span className="figure" title={`${count} set here`}>
                  {count}
                </span>
              )}
            </button>
          );
        })}
      </nav>
      <div className="option-list">
        {children}
        {groups
          .map((one) => ({ ...one, options: visible.filter((option) => option.group === one.name) }))
          .filter((one) => one.options.length > 0)
          .map((one) => (
            <section key={one.name} aria-label={one.label}>
              <h2>{one.label}</h2>
              {!across && <p className="hint">{one.help}</p>}
              {one.options.map((option) => (
                <OptionField
                  key={option.key}
                  option={option}
                  own={own[option.key]}
                  inherited={inherited[option.key]}
                  from={from(option.key)}
                  edit={edits[option.key]}
                  problem={problems[option.key]}
                  onEdit={set}
                />
              ))}
            </section>
          ))}
        {visible.length === 0 && (
          <p className="hint">{onlySet && text === "" ? "Nothing is set here yet." : "No option has these words."}</p>
        )}
        {!across && (all || visible.length < shown.length) && (
          <button type="button" className="link" onClick={() => setAll(!all)}>
            {all ? "Show fewer options" : `Show ${shown.length - visible.length} more for experts`}
          </button>
        )}
      </div>
    </div>
  );
}
