import { Drawer, useMantineColorScheme } from "@mantine/core";
import { useHotkeys, useMediaQuery } from "@mantine/hooks";
import { Link, Outlet } from "@tanstack/react-router";
import { useState } from "react";
import { AgentList } from "../features/agents/AgentList";
import { ConnectionPill } from "../ui/ConnectionPill";
import { Palette } from "./Palette";
import { connection } from "./services";

const THEMES = ["auto", "light", "dark"] as const;
const THEME_NAMES = { auto: "System", light: "Light", dark: "Dark" };

function Sidebar({ onPick, onSearch }: { onPick: () => void; onSearch: () => void }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const next = THEMES[(THEMES.indexOf(colorScheme) + 1) % THEMES.length] ?? "auto";
  return (
    <div className="sidebar">
      <div className="brand">Corral</div>
      <Link to="/" className="new" onClick={onPick}>
        New chat
      </Link>
      <button type="button" className="search" onClick={onSearch}>
        Search <kbd>Ctrl K</kbd>
      </button>
      <AgentList onPick={onPick} />
      <Link to="/models" className="entry" onClick={onPick}>
        Models
      </Link>
      <div className="foot">
        <ConnectionPill connection={connection} />
        <button
          type="button"
          aria-label={`Theme: ${THEME_NAMES[colorScheme]}. Change to ${THEME_NAMES[next]}`}
          onClick={() => setColorScheme(next)}
        >
          {THEME_NAMES[colorScheme]}
        </button>
      </div>
    </div>
  );
}

/** The frame around every page. */
export function Shell() {
  const narrow = useMediaQuery("(max-width: 767px)", false, { getInitialValueInEffect: false });
  const [sheet, setSheet] = useState(false);
  const [palette, setPalette] = useState(false);
  useHotkeys([["mod+K", () => setPalette(true)]], []);
  const sidebar = <Sidebar onPick={() => setSheet(false)} onSearch={() => setPalette(true)} />;
  return (
    <div className="shell">
      {narrow ? (
        <>
          <header className="bar">
            <button type="button" aria-label="Open menu" onClick={() => setSheet(true)}>
              ☰
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
        <aside>{sidebar}</aside>
      )}
      <main>
        <Outlet />
      </main>
      <Palette opened={palette} onClose={() => setPalette(false)} />
    </div>
  );
}
