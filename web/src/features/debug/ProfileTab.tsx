import { useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type Profile, takeProfile } from "../../api/debug";
import { sentence } from "../../api/explain";
import { Segments } from "../../ui/Segments";
import { save } from "../../ui/save";
import { Flame } from "./Flame";
import type { Weight } from "./flame";
import { took } from "./waterfall";

const TIMES = [
  { value: "1", label: "1 s" },
  { value: "5", label: "5 s" },
  { value: "15", label: "15 s" },
] as const;
const WEIGHTS: readonly { value: Weight; label: string }[] = [
  { value: "cpuMs", label: "Processor time" },
  { value: "wallMs", label: "Time passed" },
];
const MOST_TASKS = 100;

/** What the server and this page spend their time on, on demand. */
export function ProfileTab() {
  const [seconds, setSeconds] = useState<(typeof TIMES)[number]["value"]>("5");
  const [chosen, setWeight] = useState<Weight>("cpuMs");
  const { mutate, data, error, isPending } = useMutation({ mutationFn: () => takeProfile(Number(seconds)) });
  const weight = data?.processorTimes === false ? "wallMs" : chosen;
  return (
    <>
      <section aria-label="Server">
        <h2 className="part">Server</h2>
        <div className="profile-form">
          <Segments label="For how long" options={TIMES} value={seconds} onChange={setSeconds} />
          <button type="button" className="button" disabled={isPending} onClick={() => mutate()}>
            {isPending ? "Looking…" : "Take a profile"}
          </button>
          {data && <Segments label="Weight" options={WEIGHTS} value={weight} onChange={setWeight} />}
          {data && (
            <button
              type="button"
              className="button"
              onClick={() => save("corral-profile.json", "application/json", JSON.stringify(data, null, 2))}
            >
              Export as JSON
            </button>
          )}
        </div>
        {error && (
          <p role="alert" className="error">
            {sentence(error)}
          </p>
        )}
        {!data && !isPending && (
          <p className="hint">
            Looks at what the server's own functions do, a hundred times a second. Engines are programs of their own and
            are not in it.
          </p>
        )}
        {data && <Taken key={data.startedAt} profile={data} weight={weight} />}
      </section>
      <LongTasks />
    </>
  );
}

function Taken({ profile, weight }: { profile: Profile; weight: Weight }) {
  const own = weight === "cpuMs" ? "ownCpuMs" : "ownWallMs";
  const functions = [...profile.functions].sort((one, other) => other[own] - one[own]).slice(0, 40);
  return (
    <>
      <p className="hint">
        {profile.samples} looks in {took(profile.seconds * 1000)}; the looking itself used {took(profile.ownMs)}.
      </p>
      <Flame key={weight} tree={profile.tree} weight={weight} />
      <h3>Functions by their own time</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <section className="event-log" tabIndex={0} aria-label="Functions by their own time">
        <table data-testid="functions">
          <thead>
            <tr>
              <th scope="col">Function</th>
              <th scope="col">Place</th>
              <th scope="col" className="number">
                Own time
              </th>
            </tr>
          </thead>
          <tbody>
            {functions.map((one) => (
              <tr key={`${one.file}:${one.line} ${one.name}`}>
                <th scope="row">{one.name}</th>
                <td>
                  {one.file}:{one.line}
                </td>
                <td className="number">{took(one[own])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}

interface Task {
  start: number;
  ms: number;
}

/** Tasks that held this page up for 50 ms and more, since it was loaded. */
function LongTasks() {
  const known =
    typeof PerformanceObserver !== "undefined" && PerformanceObserver.supportedEntryTypes.includes("longtask");
  const [tasks, setTasks] = useState<readonly Task[]>([]);
  useEffect(() => {
    if (!known) return;
    const observer = new PerformanceObserver((list) => {
      const found = list.getEntries().map(({ startTime, duration }) => ({ start: startTime, ms: duration }));
      setTasks((before) => [...before, ...found].slice(-MOST_TASKS));
    });
    observer.observe({ type: "longtask", buffered: true });
    return () => observer.disconnect();
  }, [known]);
  return (
    <section aria-label="This page">
      <h2 className="part">This page</h2>
      {!known && <p className="hint">This browser does not tell of tasks that hold the page up.</p>}
      {known && tasks.length === 0 && (
        <p className="hint">Nothing has held this page up for 50 ms since it was loaded.</p>
      )}
      {tasks.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
        <section className="event-log" tabIndex={0} aria-label="Long tasks">
          <table>
            <thead>
              <tr>
                <th scope="col" className="number">
                  After loading
                </th>
                <th scope="col" className="number">
                  Held up for
                </th>
              </tr>
            </thead>
            <tbody>
              {tasks.toReversed().map((task) => (
                <tr key={task.start}>
                  <td className="number">{took(task.start)}</td>
                  <td className="number">{took(task.ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}
