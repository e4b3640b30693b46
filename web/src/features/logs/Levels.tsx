import { Button, Popover } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { LEVELS, type LogLevels } from "../../api/logs";
import { useAsked, useConnection } from "../../ui/live";

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
    mutationFn: (levels: { level?: string; levels?: Record<string, string | null> }) =>
      connection.intend<LogLevels>(CONFIG, levels),
    onSettled: () => client.invalidateQueries({ queryKey: [CONFIG] }),
  });
  const named = [...new Set([...Object.keys(data?.levels ?? {}), ...added])].sort();
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
        <p className="hint log-levels-hint">What the server writes from now on. Debug can be a lot.</p>
        <LevelChoice
          label="Everything"
          value={data?.level ?? ""}
          disabled={!data}
          choices={data ? LEVELS : []}
          onPick={(level) => change.mutate({ level })}
        />
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
        <LevelChoice
          label="Another source"
          value=""
          none="Choose…"
          disabled={!data}
          choices={sources.filter((source) => !named.includes(source))}
          onPick={(source) => setAdded([...added, source])}
        />
        {problem && (
          <p className="error" role="alert">
            {problem.message}
          </p>
        )}
      </Popover.Dropdown>
    </Popover>
  );
}
