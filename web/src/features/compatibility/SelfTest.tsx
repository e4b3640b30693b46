import { useEffect, useRef, useState } from "react";
import { sentence } from "../../api/explain";
import { asLines, type SelfTestReport, type Stage, selfTest } from "../../engine/local/selftest";
import { CopyButton } from "../../ui/CopyButton";
import { type Device, useDevice } from "../../ui/device";
import "./selftest.css";

const STAGES: Record<Stage, string> = {
  fetching: "Fetching the built-in model",
  loading: "Loading the model",
  answering: "Answering",
  schema: "Answering in JSON",
  stopping: "Stopping an answer",
};

type Shown =
  | { kind: "waiting" }
  | { kind: "running"; stage: Stage | null }
  | { kind: "done"; report: SelfTestReport }
  | { kind: "failed"; reason: string };

async function run(device: Device, show: (stage: Stage) => void, signal: AbortSignal): Promise<SelfTestReport> {
  const [engine, files] = await Promise.all([device.engine(), device.files()]);
  return selfTest(engine, files, { stage: show }, signal);
}

/** The ten-second test of the model in this browser, and its report. */
export function SelfTest() {
  const device = useDevice();
  const [shown, show] = useState<Shown>({ kind: "waiting" });
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);

  const begin = async () => {
    const own = new AbortController();
    stop.current = own;
    show({ kind: "running", stage: null });
    try {
      const report = await run(device, (stage) => show({ kind: "running", stage }), own.signal);
      show({ kind: "done", report });
    } catch (error) {
      if (own.signal.aborted) show({ kind: "waiting" });
      else show({ kind: "failed", reason: sentence(error) });
    }
  };

  const running = shown.kind === "running";
  return (
    <div className="self-test" data-testid="self-test" data-state={shown.kind}>
      <p className="hint">
        Loads the built-in model in this browser and answers with it, for some ten seconds. Nothing leaves this device.
      </p>
      <p className="self-test-actions">
        {running ? (
          <button type="button" className="button" onClick={() => stop.current?.abort()}>
            Stop self-test
          </button>
        ) : (
          <button type="button" className="button" onClick={() => void begin()}>
            {shown.kind === "waiting" ? "Run self-test" : "Run again"}
          </button>
        )}
        <span role="status" className="hint">
          {running && `${shown.stage ? STAGES[shown.stage] : "Starting"}…`}
          {shown.kind === "done" && "Done."}
        </span>
      </p>
      {shown.kind === "failed" && (
        <p role="alert" className="self-test-failed">
          The self-test failed: {shown.reason}
        </p>
      )}
      {shown.kind === "done" && <Result report={shown.report} />}
    </div>
  );
}

function Result({ report }: { report: SelfTestReport }) {
  const lines = asLines(report);
  const text = () =>
    [
      `Corral self-test, ${report.at}`,
      navigator.userAgent,
      ...lines.map(([label, value]) => `${label}: ${value}`),
    ].join("\n");
  return (
    <>
      <dl className="self-test-result" data-testid="self-test-result" data-report={JSON.stringify(report)}>
        {lines.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <CopyButton text={text} what="self-test report" />
    </>
  );
}
