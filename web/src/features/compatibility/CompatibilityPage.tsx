import { useDocumentTitle } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { SERVERLESS } from "../../engine/edition";
import type { Verdict } from "../../engine/local/verdict";
import { bytes } from "../../ui/format";
import "../../ui/controls.css";
import type { Check } from "./checks";
import "./compatibility.css";
import { asJson, asText, type Report, type Row } from "./report";
import { SelfTest } from "./SelfTest";
import { useReport } from "./useReport";

const GROUPS: readonly { verdict: Verdict; title: string }[] = [
  { verdict: "fits", title: "Run well" },
  { verdict: "tight", title: "Run slowly or just so" },
  { verdict: "no", title: "Will not fit" },
];
const SIGNS = { ok: "All right", note: "With less", missing: "Missing", problem: "Problem" } as const;

/** What this browser and the server can do for models, and which of them run here. */
export function CompatibilityPage() {
  useDocumentTitle("Compatibility · Corral");
  const { report, again, serverAway } = useReport();
  return (
    <div className="page compatibility">
      <h1>Compatibility</h1>
      {report === null ? (
        <p className="hint late">Looking at this browser…</p>
      ) : (
        <>
          <p className="lead">{report.summary}</p>
          <Copies report={report} />
          <Section title="This browser">
            <Checks
              label="This browser"
              checks={report.checks}
              action={(check) => <Keep check={check} after={again} />}
            />
          </Section>
          <Section title="Models in this browser">
            <Models rows={report.models} serverAway={serverAway} />
          </Section>
        </>
      )}
      <Section title="Self-test">
        <SelfTest />
      </Section>
      {!SERVERLESS && (
        <Section title="The server">
          <Server report={report} away={serverAway} />
        </Section>
      )}
    </div>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  const id = `compatibility-${title.toLowerCase().replaceAll(" ", "-")}`;
  return (
    <section aria-labelledby={id}>
      <h2 id={id} className="part">
        {title}
      </h2>
      {children}
    </section>
  );
}

interface Line {
  id?: string;
  name: string;
  level: keyof typeof SIGNS;
  remedy: string;
  value?: string;
  text?: string;
}

function Checks<T extends Line>(props: { label: string; checks: readonly T[]; action?: (check: T) => ReactNode }) {
  return (
    <ul className="checks" aria-label={props.label}>
      {props.checks.map((check) => (
        <li key={check.id ?? check.name} data-testid={`check-${check.id ?? check.name}`} data-level={check.level}>
          <span className="check-sign">{SIGNS[check.level]}</span>
          <span className="check-name">{check.name}</span>
          <span className="check-value">{check.value ?? check.text}</span>
          {check.remedy && (
            <span className="check-remedy hint">
              {check.remedy} {props.action?.(check)}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

/** The one remedy that the page itself can try. */
function Keep({ check, after }: { check: Check; after: () => void }) {
  const [refused, setRefused] = useState(false);
  if (check.id !== "persisted" || !navigator.storage?.persist) return null;
  const ask = async () => {
    if (await navigator.storage.persist()) after();
    else setRefused(true);
  };
  return (
    <>
      <button type="button" className="link" onClick={() => void ask()}>
        Ask the browser to keep them
      </button>
      {refused && <span role="status"> It refused for now; it agrees to sites that are used often or installed.</span>}
    </>
  );
}

function Models({ rows, serverAway }: { rows: readonly Row[]; serverAway: boolean }) {
  if (rows.length === 0)
    return (
      <p className="hint">
        {serverAway ? (
          "The server cannot be asked now."
        ) : (
          <>
            There are no models yet. <Link to="/models">See how to add one</Link>
          </>
        )}
      </p>
    );
  return GROUPS.map(({ verdict, title }) => {
    const group = rows.filter((row) => row.verdict === verdict);
    if (group.length === 0) return null;
    return (
      <div key={verdict} className="verdicts" data-testid={`verdict-${verdict}`}>
        <h3>{title}</h3>
        <table>
          <thead className="unseen">
            <tr>
              <th>Model</th>
              <th>Size</th>
              <th>Reason</th>
            </tr>
          </thead>
          <tbody>
            {group.map(({ name, bytes: size, reason }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td className="number">{bytes(size)}</td>
                <td className="hint">{reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  });
}

function Server({ report, away }: { report: Report | null; away: boolean }) {
  if (report?.server) return <Checks label="The server" checks={report.server.checks} />;
  return <p className="hint">{away ? "The server cannot be asked now." : "Asking the server…"}</p>;
}

function Copies({ report }: { report: Report }) {
  return (
    <p className="copies">
      <Copy label="Copy report" text={() => asText(report)} />
      <Copy label="Copy as JSON" text={() => asJson(report)} />
    </p>
  );
}

function Copy({ label, text }: { label: string; text: () => string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 2_000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () =>
    navigator.clipboard.writeText(text()).then(
      () => setSaid("Copied"),
      () => setSaid("The browser refused"),
    );
  return (
    <>
      <button type="button" className="button" onClick={() => void copy()}>
        {label}
      </button>
      <span role="status" className="hint">
        {said}
      </span>
    </>
  );
}
