import {
  BugIcon,
  ChartIcon,
  CloudIcon,
  DashboardIcon,
  DeviceIcon,
  FlaskIcon,
  ForkIcon,
  GearIcon,
  LinesIcon,
  ModelsIcon,
  ScreenIcon,
  SlidersIcon,
} from "../ui/icons";

/** The pages beside the chats, in the order of the sidebar. */
export const PAGES = [
  { to: "/dashboard", label: "Dashboard", Icon: DashboardIcon },
  { to: "/models", label: "Models", Icon: ModelsIcon },
  { to: "/device", label: "On this device", Icon: DeviceIcon },
  { to: "/providers", label: "Providers", Icon: CloudIcon },
  { to: "/routes", label: "Routes", Icon: ForkIcon },
  { to: "/playground", label: "Playground", Icon: FlaskIcon },
  { to: "/monitoring", label: "Monitoring", Icon: ChartIcon },
  { to: "/logs", label: "Logs", Icon: LinesIcon },
  { to: "/debug", label: "Debug", Icon: BugIcon },
  { to: "/compatibility", label: "Compatibility", Icon: ScreenIcon },
  { to: "/configuration", label: "Configuration", Icon: SlidersIcon },
  { to: "/settings", label: "Settings", Icon: GearIcon },
] as const;
