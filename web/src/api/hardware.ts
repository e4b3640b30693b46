import { call } from "./client";

/** What `GET /api/hardware` tells of the server's machine; sizes in bytes. */
export interface Hardware {
  system: string;
  architecture: string;
  processor: string;
  cores: number;
  threads: number;
  /** Null where the system does not tell. */
  instructions: readonly string[] | null;
  memory: { total: number; available: number; machine: number };
  cards: readonly { name: string; total: number; available: number }[];
  checks: readonly { name: string; level: "ok" | "note" | "problem"; text: string; remedy: string }[];
}

export const readHardware = () => call<Hardware>("GET", "/api/hardware");
