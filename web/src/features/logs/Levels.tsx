import { Button, Popover } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { sentence } from "../../api/explain";
import { canReset, LEVELS, type LogLevels, originWords } from "../../api/logs";
import { useAsked, useConnection, usePush } from "../../ui/live";

const CONFIG = "logs:config";

interface ChoiceProps {
  label: string;
  value: string;
  /** What the empty choice is called, when there is one. */
  none?: string;
  disabled?: boolean;
  choices: readonly string[];
  onPick: (choice: string) => void;
}

function LevelChoice({ label, value, none, disabled, choices, onPick }: ChoiceProps) {
  return (
    <label className="level-choice">
      <span>{label}</span>
      <select
        className="control"
        value={value}
        disabled={disabled}
        onChange={(event) => onPick(event.currentTarget.value)}
      >
        {none !== undefined && <option value="">{none}</option>}
        {choices.map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    </label>
  );
}

/** Which lines the server writes at all, for everything and for single sources; counts at once. */
export function Levels({ sources }: { sources: readonly string[] }) {
  const connection = useConnection();
  const client = useQueryClient();
  const [opened, setOpened] = useState(false);
  const [added, setAdded] = useState<readonly string[]>([]);
  const { data, error } = useAsked<LogLevels>(CONFIG, {}, opened);
  const change = useMutation({
    mutationFn: (levels: { level?: string; levels?: Record<string, string | null>; reset?: boolean }) =>
      connection.intend<LogLevels>(CONFIG, levels),
    onSettled: () => client.invalidateQueries({ queryKey: [CONFIG] }),
  });
  usePush("logs:config:changed", () => void client.invalidateQueries({ queryKey: [CONFIG] }));
  const origins = data ? [data.origin.level, data.origin.levels] : [];
  const named = [...new Set([...Object.keys(data?.levels ?? {}), ...added])].sort();
  const known = [...new Set([...sources, ...(data?.sources ?? [])])].sort();
  const problem = error ?? change.error;
  const set = (source: string, level: string) => {
    if (level === "") setAdded(added.filter((one) => one !== source));
    change.mutate({ levels: { [source]: level || null } });
  };
  return (
    <Popover
      opened={opened}
      onChange={setOpened}
      position="bottom-end"
      width={320}
      shadow="md"
      trapFocus
      returnFocus
      transitionProps={{ duration: 120 }}
    >
      <Popover.Target>
        <Button size="xs" variant="default" onClick={() => setOpened(!opened)} aria-expanded={opened}>
          Levels
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Levels that are written">
        <p className="hint log-levels-hint">What the server writes, also after a restart. Debug can be a lot.</p>
        <LevelChoice
          label="Everything"
          value={data?.level ?? ""}
          disabled={!data}
          choices={data ? LEVELS : []}
          onPick={(level) => change.mutate({ level })}
        />
        {data && <p className="hint level-origin">{originWords(data.origin.level)}.</p>}
        {named.map((source) => (
          <LevelChoice
            key={source}
            label={source}
            value={data?.levels[source] ?? ""}
            none="as everything"
            choices={LEVELS}
            onPick={(level) => set(source, level)}
          />
        ))}
        {data && Object.keys(data.levels).length > 0 && (
          <p className="hint level-origin">{originWords(data.origin.levels)}.</p>
        )}
        <LevelChoice
          label="Another source"
          value=""
          none="Choose…"
          disabled={!data}
          choices={known.filter((source) => !named.includes(source))}
          onPick={(source) => setAdded([...added, source])}
        />
        {origins.some(canReset) && (
          <Button
            size="xs"
            variant="default"
            loading={change.isPending && !!change.variables?.reset}
            onClick={() => {
              setAdded([]);
              change.mutate({ reset: true });
            }}
          >
            Reset levels
          </Button>
        )}
        {problem && (
          <p className="error" role="alert">
            {sentence(problem)}
          </p>
        )}
      </Popover.Dropdown>
    </Popover>
  );
}
