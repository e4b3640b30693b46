import type { LocalCode } from "../../../api/errors";
import type { Verified } from "../files";

/** A file of a model, as the server offers it. Sizes in bytes. */
export interface OfferedPart {
  name: string;
  bytes: number;
  /** SHA-256 in hexadecimal; null until the server knows it. */
  sha256: string | null;
  /** Where it lies, where that is not the server's route for it. */
  url?: string;
}

/** A model that the server offers (`GET /api/device/models`). */
export interface Offer {
  id: string;
  name: string;
  version: string;
  bytes: number;
  parts: OfferedPart[];
  context: number | null;
  builtIn: boolean;
  /** Why a browser cannot take it. */
  reason: string | null;
}

export interface StoredPart extends OfferedPart {
  /** Bytes that were written and flushed. */
  stored: number;
  /** The sum of what is stored, once all of it is and has been read back. */
  digest: string | null;
}

export interface Problem {
  code: LocalCode;
  message: string;
}

/** One version of a model on this device, whole or on its way. */
export interface StoredModel {
  /** The name of its folder. */
  key: string;
  id: string;
  name: string;
  version: string;
  context: number | null;
  builtIn: boolean;
  parts: StoredPart[];
  /** Whether it is to be downloaded: by the tab that has the lock. */
  wanted: boolean;
  whole: boolean;
  verified: Verified | null;
  problem: Problem | null;
}

/** How far the running download is; the tab that downloads tells the others. */
export interface Progress {
  key: string;
  id: string;
  stored: number;
  /** Bytes a second. */
  rate: number;
  checking: boolean;
  /** What it waits for, where it waits. */
  waiting?: string;
}

export const sum = (parts: readonly { bytes: number }[]) => parts.reduce((total, part) => total + part.bytes, 0);
export const storedOf = (model: StoredModel) => model.parts.reduce((total, part) => total + part.stored, 0);
