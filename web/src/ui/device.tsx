import { createContext, type ReactNode, use } from "react";
import type { OwnKeys } from "../engine/keys/own";
import type { Capabilities } from "../engine/local/capabilities";
import type { ModelFiles } from "../engine/local/files";
import type { BrowserEngine } from "../engine/local/types";

/** What runs on this device: made when it is first asked for, once for a page, so that no page pays for it before. */
export interface Device {
  engine(): Promise<BrowserEngine>;
  files(): Promise<ModelFiles>;
  capabilities(): Promise<Capabilities>;
  /** The providers whose keys only this browser has. */
  own(): Promise<OwnKeys>;
}

const Context = createContext<Device | null>(null);

/** Gives the pages below it this device. */
export function DeviceProvider({ device, children }: { device: Device; children: ReactNode }) {
  return <Context value={device}>{children}</Context>;
}

export function useDevice(): Device {
  const device = use(Context);
  if (!device) throw new Error("There is no DeviceProvider around this page.");
  return device;
}
