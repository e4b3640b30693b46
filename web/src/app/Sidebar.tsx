import { Link } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { SERVERLESS } from "../engine/edition";
import { AgentList } from "../features/agents/AgentList";
import { ConnectionPill } from "../ui/ConnectionPill";
import { KeysIcon, MoonIcon, PanelIcon, PlusIcon, ScreenIcon, SearchIcon, SunIcon } from "../ui/icons";
import { MOD } from "../ui/keys";
import { useScheme } from "../ui/useScheme";
import { journal, localAgents, ownChats } from "./local";
import { PAGES } from "./pages";
import { connection } from "./services";

const THEMES = ["auto", "light", "dark"] as const;
const THEME_NAMES = { auto: "System", light: "Light", dark: "Dark" };
const THEME_ICONS = { auto: ScreenIcon, light: SunIcon, dark: MoonIcon };

interface Props {
  collapsed: boolean;
  unread: readonly string[];
  onCollapse: (() => void) | null;
  onPick: () => void;
  onSearch: () => void;
  onHelp: () => void;
}

/** New chat, search, the chats, the pages, and at the foot the connection; collapsed it is a column of icons. */
export function Sidebar({ collapsed, unread, onCollapse, onPick, onSearch, onHelp }: Props) {
  const here = useSyncExternalStore(journal.watch, localAgents);
  const { scheme, choose } = useScheme();
  const next = THEMES[(THEMES.indexOf(scheme) + 1) % THEMES.length] ?? "auto";
  const ThemeIcon = THEME_ICONS[scheme];
  const fold = collapsed ? "Expand sidebar" : "Collapse sidebar";
  return (
    <div className="sidebar" data-collapsed={collapsed}>
      <div className="brand">
        <span className="wide-only">Corral</span>
        {onCollapse && (
          <button type="button" className="quiet" aria-label={fold} title={`${fold} (${MOD} B)`} onClick={onCollapse}>
            <PanelIcon />
          </button>
        )}
      </div>
      <Link to="/" className="new" onClick={onPick} aria-label="New chat" title="New chat">
        <PlusIcon />
        <span className="wide-only">New chat</span>
      </Link>
      <button type="button" className="entry" aria-label={`Search ${MOD} K`} title="Search" onClick={onSearch}>
        <SearchIcon />
        <span className="wide-only">
          Search <kbd>{MOD} K</kbd>
        </span>
      </button>
      {collapsed ? (
        <div className="agents" />
      ) : (
        <AgentList onPick={onPick} unread={unread} here={here} own={SERVERLESS ? ownChats : null} />
      )}
      <nav className="pages" aria-label="Pages">
        {PAGES.map(({ to, label, Icon }) => (
          <Link key={to} to={to} className="entry" onClick={onPick} aria-label={label} title={label}>
            <Icon />
            <span className="wide-only">{label}</span>
          </Link>
        ))}
      </nav>
      <div className="foot">
        <ConnectionPill connection={connection} />
        <span className="foot-buttons">
          <button
            type="button"
            className="quiet"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            onClick={onHelp}
          >
            <KeysIcon />
          </button>
          <button
            type="button"
            className="quiet"
            aria-label={`Theme: ${THEME_NAMES[scheme]}. Change to ${THEME_NAMES[next]}`}
            title={`Theme: ${THEME_NAMES[scheme]}`}
            onClick={() => choose(next)}
          >
            <ThemeIcon />
          </button>
        </span>
      </div>
    </div>
  );
}
