import { DeviceIcon, ScreenIcon } from "../ui/icons";

/** The pages of the static build. */
export const PAGES = [
  { to: "/device", label: "On this device", Icon: DeviceIcon },
  { to: "/compatibility", label: "Compatibility", Icon: ScreenIcon },
] as const;
