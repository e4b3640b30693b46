import { useDocumentTitle } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { Appearance } from "./Appearance";
import { ServerSettings } from "./ServerSettings";
import "../../ui/controls.css";
import "../../ui/options/options.css";
import "./settings.css";

/** How this browser shows Corral, and how the server runs. */
export function SettingsPage() {
  useDocumentTitle("Settings · Corral");
  return (
    <div className="page settings">
      <h1>Settings</h1>
      <p className="hint">
        What engines and models do is set on the page <Link to="/configuration">Configuration</Link>.
      </p>
      <Appearance />
      <ServerSettings />
    </div>
  );
}
