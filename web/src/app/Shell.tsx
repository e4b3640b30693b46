import { useHotkeys, useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { Outlet, useNavigate, useParams } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { ConnectionPill } from "../ui/ConnectionPill";
import { MenuIcon } from "../ui/icons";
import { Outage } from "./Outage";
import { Sidebar } from "./Sidebar";
import { connection } from "./services";
import { Update } from "./Update";
import { useUnread } from "./useUnread";

// What opens over the page is loaded when it first opens.
const Help = lazy(async () => ({ default: (await import("./Help")).Help }));
const Palette = lazy(async () => ({ default: (await import("./Palette")).Palette }));
const Sheet = lazy(async () => ({ default: (await import("./Sheet")).Sheet }));

interface Late {
  opened: boolean;
  children: (opened: boolean) => ReactNode;
}

/** Mounts its part closed when it is first wanted, and opens it then: so the part sees where the focus was before. */
function Late({ opened, children }: Late) {
  const [wanted, setWanted] = useState(opened);
  if (opened && !wanted) setWanted(true);
  return <Suspense fallback={null}>{wanted && <Mounted opened={opened}>{children}</Mounted>}</Suspense>;
}

function Mounted({ opened, children }: Late) {
  const [there, setThere] = useState(false);
  useEffect(() => setThere(true), []);
  return children(there && opened);
}

function focusMain(): void {
  const main = document.querySelector("main");
  (main?.querySelector<HTMLElement>("textarea") ?? main)?.focus();
}

/** The frame around every page. */
export function Shell() {
  const navigate = useNavigate();
  const { agentId = null } = useParams({ strict: false });
  const narrow = useMediaQuery("(max-width: 767px)", false, { getInitialValueInEffect: false });
  const [collapsed, setCollapsed] = useLocalStorage({
    key: "corral.sidebar.collapsed",
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const [sheet, setSheet] = useState(false);
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const unread = useUnread(agentId);
  const fold = () => (narrow ? setSheet(!sheet) : setCollapsed(!collapsed));
  useHotkeys(
    [
      ["mod+K", () => setPalette(true)],
      ["mod+shift+O", () => void navigate({ to: "/" })],
      ["mod+B", fold],
    ],
    [],
  );
  // Single keys only where nothing is being written.
  useHotkeys([
    ["/", focusMain],
    ["shift+?", () => setHelp(true)],
    ["?", () => setHelp(true)],
  ]);
  const sidebar = (
    <Sidebar
      collapsed={!narrow && collapsed}
      unread={unread}
      onCollapse={narrow ? null : fold}
      onPick={() => setSheet(false)}
      onSearch={() => setPalette(true)}
      onHelp={() => setHelp(true)}
    />
  );
  return (
    <div className="shell">
      <button type="button" className="skip" onClick={focusMain}>
        Skip to content
      </button>
      {narrow ? (
        <>
          <header className="bar">
            <button type="button" aria-label="Open menu" onClick={() => setSheet(true)}>
              <MenuIcon />
              {unread.length > 0 && <span className="unread" role="img" aria-label="New answers" />}
            </button>
            <strong>Corral</strong>
            <ConnectionPill connection={connection} />
          </header>
          <Late opened={sheet}>
            {(opened) => (
              <Sheet opened={opened} onClose={() => setSheet(false)}>
                {sidebar}
              </Sheet>
            )}
          </Late>
        </>
      ) : (
        <aside data-collapsed={collapsed}>{sidebar}</aside>
      )}
      <main tabIndex={-1}>
        <Outage />
        <Update />
        <Outlet />
      </main>
      <Late opened={palette}>{(opened) => <Palette opened={opened} onClose={() => setPalette(false)} />}</Late>
      <Late opened={help}>{(opened) => <Help opened={opened} onClose={() => setHelp(false)} />}</Late>
    </div>
  );
}
