import { ChartIcon, DashboardIcon, LinesIcon, ModelsIcon } from "../ui/icons";

/** The pages beside the chats, in the order of the sidebar. */
export const PAGES = [
  { to: "/dashboard", label: "Dashboard", Icon: DashboardIcon },
  { to: "/models", label: "Models", Icon: ModelsIcon },
  { to: "/monitoring", label: "Monitoring", Icon: ChartIcon },
  { to: "/logs", label: "Logs", Icon: LinesIcon },
] as const;
