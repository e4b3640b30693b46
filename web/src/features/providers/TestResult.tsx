import type { Health, Test } from "../../api/providers";
import { ago, whole } from "../../ui/format";

const REMEDIES: Readonly<Record<string, string>> = {
  unauthorized: "Check the key.",
  provider_refused: "Check the key.",
  not_found: "Check the address.",
};

/** What a test of the connection found, in words. */
export function TestResult({ test }: { test: Test }) {
  const bad = test.keys.filter(({ ok }) => !ok);
  if (!test.ok)
    return (
      <p role="alert" className="test error">
        {test.message || "The test failed."} {REMEDIES[test.code]}
      </p>
    );
  return (
    <div role="status" className="test" data-ok="true">
      It works: answered in {whole(test.ms ?? 0)} ms
      {test.models !== null && `, ${whole(test.models)} ${test.models === 1 ? "model" : "models"}`}.
      {bad.map(({ label, message }) => (
        <p key={label} className="error">
          {label}: {message}
        </p>
      ))}
    </div>
  );
}

/** What the last test found, and when. */
export function HealthLine({ health }: { health: Health }) {
  if (health.state === "unknown") return <span>Not tested since the server started</span>;
  const when = health.at ? (
    <time dateTime={health.at} title={new Date(health.at).toLocaleString("en")}>
      {ago(new Date(health.at), new Date())}
    </time>
  ) : null;
  return (
    <span>
      {health.state === "ok" ? `Works, ${whole(health.ms ?? 0)} ms` : health.message || "The test failed"} · {when}
    </span>
  );
}
