import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { sentence } from "../../api/explain";
import { type Kind, type Provider, TEST, type Test } from "../../api/providers";
import { reasonFor, reasonsOf } from "../../ui/entry/entry";
import { FieldRow } from "../../ui/entry/Fields";
import { BackIcon } from "../../ui/icons";
import { useConnection } from "../../ui/live";
import { useKeyProblem } from "./removed";
import { TestResult } from "./TestResult";
import { freeName } from "./words";
import "../../ui/options/options.css";

const idOf = (kind: Kind) => (kind.vendor ? `${kind.kind}:${kind.vendor}` : kind.kind);

interface FormProps {
  kind: Kind;
  taken: readonly string[];
  onAdded: (provider: Provider) => void;
}

function AddForm({ kind, taken, onAdded }: FormProps) {
  const live = useConnection();
  const navigate = useNavigate();
  const [name, setName] = useState(() => freeName(kind, taken));
  const [address, setAddress] = useState("");
  const [secret, setSecret] = useState("");
  const base = address.trim() || (kind.kind === "compatible" ? kind.baseUrl : null);
  const changes = {
    kind: kind.kind,
    ...(kind.vendor && { vendor: kind.vendor }),
    ...(base && { baseUrl: base }),
  };
  const test = useMutation({
    mutationFn: () => live.request<Test>("providers:test", { name, changes, ...(secret && { secret }) }, TEST),
  });
  const add = useMutation({
    mutationFn: async () => {
      const made = await live.request<Provider>("providers:save", { name, version: 0, changes });
      onAdded(made);
      if (!secret) return made;
      // From here on it is there: what goes wrong with the key is said on its own page.
      return live.request<Provider>("providers:keys:add", { name, secret }).catch((error: Error) => {
        useKeyProblem.setState({ problem: { name, reason: sentence(error) } });
        return made;
      });
    },
    onSuccess: (provider) => {
      onAdded(provider);
      void navigate({ to: "/providers/$name", params: { name: provider.name } });
    },
  });
  const reasons = reasonsOf(add.error ?? test.error);
  const problem = add.error ?? test.error;
  const taking = taken.includes(name.trim()) ? "There is a provider of this name." : undefined;
  const addressed = kind.kind !== "compatible" || !!base;
  const ready = name.trim() !== "" && !taking && addressed && (secret !== "" || !kind.keyNeeded);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) add.mutate();
      }}
    >
      <FieldRow
        label="Name"
        help="Its models are asked for as name/model."
        problem={taking ?? reasonFor(reasons, "name")}
      >
        {(marks) => (
          <input
            {...marks}
            className="control"
            maxLength={64}
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        )}
      </FieldRow>
      <FieldRow
        label="Address"
        help={kind.baseUrl ? "Only when it is another one." : "With the path at which its API begins."}
        problem={reasonFor(reasons, "baseUrl")}
      >
        {(marks) => (
          <input
            {...marks}
            className="control"
            type="url"
            autoComplete="off"
            spellCheck={false}
            placeholder={kind.baseUrl || "http://127.0.0.1:8000/v1"}
            value={address}
            onChange={(event) => setAddress(event.currentTarget.value)}
          />
        )}
      </FieldRow>
      <FieldRow
        label="Key"
        help={
          <>
            {kind.keyNeeded ? "Kept encrypted and never shown again." : "Only when it asks for one."}{" "}
            {kind.keyUrl && (
              <a href={kind.keyUrl} target="_blank" rel="noreferrer">
                Get a key
              </a>
            )}
          </>
        }
        problem={reasonFor(reasons, "secret")}
      >
        {(marks) => (
          <input
            {...marks}
            className="control"
            type="password"
            autoComplete="off"
            value={secret}
            onChange={(event) => setSecret(event.currentTarget.value)}
          />
        )}
      </FieldRow>
      {problem && (
        <p role="alert" className="error">
          {sentence(problem)}
        </p>
      )}
      {test.data && !test.isPending && <TestResult test={test.data} />}
      <div className="dialog-actions">
        <Button variant="default" disabled={!ready} loading={test.isPending} onClick={() => test.mutate()}>
          Test the connection
        </Button>
        <Button type="submit" disabled={!ready} loading={add.isPending}>
          Add
        </Button>
      </div>
    </form>
  );
}

interface Props {
  kinds: readonly Kind[];
  problem: string | null;
  taken: readonly string[];
  /** Whether there is none yet. */
  first: boolean;
  picked: string;
  onAdded: (provider: Provider) => void;
  children: ReactNode;
}

/** Adds a provider: first its kind from cards, then what it needs. */
export function AddProvider({ kinds, problem, taken, first, picked, onAdded, children }: Props) {
  useDocumentTitle("Add a provider · Corral");
  const kind = kinds.find((one) => idOf(one) === picked);
  return (
    <div className="page wide">
      {kind ? (
        <Link to="/providers" search={{ add: "" }} className="back">
          <BackIcon /> Kinds
        </Link>
      ) : (
        !first && (
          <Link to="/providers" className="back">
            <BackIcon /> Providers
          </Link>
        )
      )}
      <header className="page-head">
        <h1>{kind ? kind.title : first ? "Providers" : "Add a provider"}</h1>
      </header>
      {first && !kind && (
        <p className="hint">
          Everything runs on this machine so far. Add a service, and its models answer through the same door, alone or
          together with your own.
        </p>
      )}
      {problem && (
        <p role="alert" className="error">
          {problem}
        </p>
      )}
      {kind ? (
        <div className="add-form">
          <p className="hint">{kind.description}</p>
          <AddForm key={picked} kind={kind} taken={taken} onAdded={onAdded} />
        </div>
      ) : (
        <ul className="kinds" aria-label="Kinds of providers">
          {kinds.map((one) => (
            <li key={idOf(one)}>
              <Link to="/providers" search={{ add: idOf(one) }} className="kind">
                <strong>{one.title}</strong>
                <span>{one.description}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
      {children}
    </div>
  );
}
