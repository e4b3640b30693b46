/** How much of a stored model was held against something: its sum of SHA-256, or only its sizes (until the server has told the sum). */
export type Verified = "sha256" | "size";

/** A model that the server offers to this browser, or that is stored here. Sizes in bytes. */
export interface DeviceModel {
  id: string;
  name: string;
  /** The version that the server offers; without an offer the one that is stored. */
  version: string;
  bytes: number;
  /** What of `version` is stored. */
  stored: number;
  /** `ready`: `version` is whole. An older whole version stays usable meanwhile, see `usable`. */
  state: "absent" | "downloading" | "paused" | "failed" | "ready";
  parts: number;
  /** Why it cannot be downloaded, or why the download failed or waits. */
  reason?: string;
  /** The code of the failure that `reason` tells. */
  code?: string;
  builtIn: boolean;
  /** The whole version on this device, which `open` gives: `version`, an older one, or none. */
  usable: string | null;
  /** Whether what is usable is older than what the server offers. */
  outdated: boolean;
  /** How what is usable was checked; null where nothing is. */
  verified: Verified | null;
  /** Whether a browser can take it; `reason` says why not. */
  fits: boolean;
  /** Whether the server offers it, as far as is known. */
  offered: boolean;
  /** Tokens that the model was trained for; null where its file does not say. */
  context: number | null;
  /** While it is downloaded: bytes a second, seconds left, and whether what came is being checked. */
  rate?: number;
  secondsLeft?: number;
  checking?: boolean;
}

export interface DeviceUsage {
  /** Bytes that this site may keep, and keeps. */
  quota: number;
  used: number;
  /** Bytes of models among them. */
  models: number;
  /** Whether the browser will not evict them by itself. */
  persisted: boolean;
}

/** The models on this device. All methods reject with `LocalError`. */
export interface ModelFiles {
  list(): Promise<DeviceModel[]>;
  /** Calls `listener` with all models whenever one has changed, at most five times a second; returns how to stop it. */
  subscribe(listener: (models: DeviceModel[]) => void): () => void;
  /** Begins or resumes a download; settles when the model is whole, paused or failed (then rejects). */
  download(id: string): Promise<void>;
  pause(id: string): void;
  /** Removes all that is stored of a model. */
  remove(id: string): Promise<void>;
  /** The files of the usable version, first part first. */
  open(id: string): Promise<File[]>;
  usage(): Promise<DeviceUsage>;
  /** Asks the browser to keep what is stored; whether it does. */
  persist(): Promise<boolean>;
}
