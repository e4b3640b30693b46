import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import type { Look } from "../../../api/downloads";
import { sentence } from "../../../api/explain";
import { BackIcon } from "../../../ui/icons";
import { useAsked } from "../../../ui/live";
import { DownloadList, useDownloads } from "./DownloadList";
import { Picker } from "./Picker";
import { repository, SUGGESTIONS } from "./suggestions";
import "../../../ui/controls.css";
import "../models.css";
import "./downloads.css";

/** Gets a model from the hub: a repository, its quantisations with the verdict for this machine, the downloads. */
export function DownloadsPage() {
  useDocumentTitle("Get a model · Corral");
  const navigate = useNavigate();
  const { repo } = useSearch({ strict: false }) as { repo?: string };
  const [text, setText] = useState(repo ?? "");
  const [wrong, setWrong] = useState(false);
  useEffect(() => setText(repo ?? ""), [repo]);
  const downloads = useDownloads();
  const look = useAsked<Look>("downloads:look", { repo }, !!repo);
  const go = (name: string) => void navigate({ to: "/downloads", search: { repo: name } });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const name = repository(text);
    setWrong(name === null);
    if (name === repo) void look.refetch();
    else if (name) go(name);
  };
  return (
    <div className="page wide">
      <Link to="/models" className="back">
        <BackIcon /> Models
      </Link>
      <header className="page-head">
        <h1>Get a model</h1>
      </header>
      <form className="inline-form" onSubmit={submit}>
        <label htmlFor="repo">Repository on the hub, or its address</label>
        <input
          id="repo"
          className="control repo"
          placeholder="owner/name"
          spellCheck={false}
          autoComplete="off"
          aria-invalid={wrong}
          aria-describedby={wrong ? "repo-wrong" : undefined}
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            setWrong(false);
          }}
        />
        <Button type="submit" loading={look.isFetching}>
          Look
        </Button>
        {wrong && (
          <p id="repo-wrong" role="alert" className="error">
            A repository is named owner/name, for example Qwen/Qwen3-4B-GGUF.
          </p>
        )}
      </form>
      <p className="hint suggestions-line">
        To begin with:{" "}
        {SUGGESTIONS.map((one) => (
          <button key={one.repo} type="button" className="link" title={one.says} onClick={() => go(one.repo)}>
            {one.label}
          </button>
        ))}
      </p>
      {look.error && (
        <p role="alert" className="error">
          {sentence(look.error)}
        </p>
      )}
      {repo && look.isPending && <p className="hint late">Asking the hub and predicting the memory…</p>}
      {look.data && <Picker look={look.data} downloads={downloads.data?.downloads ?? []} />}
      <DownloadList />
    </div>
  );
}
