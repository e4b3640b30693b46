import { useCallback, useMemo } from "react";
import type { Everything } from "../../api/config";
import type { Catalogue, OptionValue, Values } from "../../api/models";
import { useAsked, useConnection } from "../../ui/live";
import { OptionEditor, type SaveRequest } from "../../ui/options/OptionEditor";
import { RenewalPanel } from "./RenewalPanel";

/** Options that the settings of the server stand in for, and the setting. */
const SETTINGS: Readonly<Record<string, string>> = {
  ctxSize: "context_length",
  parallel: "slots",
  sleepIdleSeconds: "idle_sleep",
  idleStop: "idle_stop",
};

function inheritedBy(catalogue: Catalogue, everything: Everything): Values {
  const setting = (name: string | undefined) => everything.settings.find((one) => one.setting === name)?.running;
  const values = catalogue.options.map((option): [string, OptionValue | null] => [
    option.key,
    setting(SETTINGS[option.key]) ?? option.default,
  ]);
  return Object.fromEntries(values);
}

/** The options that are set once for all models. */
export function Defaults({ everything, reload }: { everything: Everything; reload: () => Promise<unknown> }) {
  const live = useConnection();
  const catalogue = useAsked<Catalogue>("options:list");
  const options = useMemo(
    () => (catalogue.data?.options ?? []).filter((option) => option.scopes.includes("server")),
    [catalogue.data],
  );
  const inherited = useMemo(
    () => (catalogue.data ? inheritedBy(catalogue.data, everything) : {}),
    [catalogue.data, everything],
  );
  const from = useCallback((key: string) => (SETTINGS[key] ? "the settings of the server" : "the default"), []);
  if (!catalogue.data) return <p className="hint late">Reading the options…</p>;
  const save = ({ version, changes }: SaveRequest) =>
    live.request("config:save", { version, serverConfig: changes }, 60_000);
  return (
    <>
      <p className="hint">
        What is set here counts for every model that sets nothing of its own. Running engines take it with their next
        start.
      </p>
      <RenewalPanel pending={everything.pending} renewal={everything.renewal} />
      <OptionEditor
        place="server"
        catalogue={catalogue.data}
        options={options}
        own={everything.serverConfig}
        inherited={inherited}
        from={from}
        version={everything.version}
        running={false}
        save={save}
        reload={reload}
      />
    </>
  );
}
