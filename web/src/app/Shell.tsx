import { Drawer } from "@mantine/core";
import { useHotkeys, useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { Outlet, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ConnectionPill } from "../ui/ConnectionPill";
import { MenuIcon } from "../ui/icons";
import { Help } from "./Help";
import { Outage } from "./Outage";
import { Palette } from "./Palette";
import { Sidebar } from "./Sidebar";
import { connection } from "./services";
import { useUnread } from "./useUnread";

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
          <Drawer
            opened={sheet}
            onClose={() => setSheet(false)}
            size={288}
            title="Menu"
            closeButtonProps={{ "aria-label": "Close menu" }}
            transitionProps={{ duration: 150 }}
          >
            {sidebar}
          </Drawer>
        </>
      ) : (
        <aside data-collapsed={collapsed}>{sidebar}</aside>
      )}
      <main tabIndex={-1}>
        <Outage />
        <Outlet />
      </main>
      <Palette opened={palette} onClose={() => setPalette(false)} />
      <Help opened={help} onClose={() => setHelp(false)} />
    </div>
  );
}
