import { ERRORS, type LocalCode } from "../../api/errors";

/**
 * A failure of what runs on this device. `code` is a row of the table of errors, which has the words for people;
 * `recoverable` says whether the same call may succeed later, the row's own word unless it is known better.
 */
export class LocalError extends Error {
  override readonly name = "LocalError";

  constructor(
    readonly code: LocalCode,
    message: string = ERRORS[code].message,
    readonly recoverable: boolean = ERRORS[code].recoverable,
    /** The field at fault, where it is one. */
    readonly param?: string,
  ) {
    super(message);
  }
}

/** A LocalError as it goes through a port or a channel. */
export interface WireError {
  code: string;
  message: string;
  recoverable: boolean;
  param?: string;
}

/** Characters of a message that are told on. */
const MESSAGE = 500;

export function failure(code: LocalCode, message?: string, recoverable?: boolean, param?: string): LocalError {
  return new LocalError(code, message?.slice(0, MESSAGE), recoverable, param);
}

/** Whether a text is the code of something that runs on this device. */
export function isLocalCode(code: unknown): code is LocalCode {
  return typeof code === "string" && code.startsWith("device_") && Object.hasOwn(ERRORS, code);
}

/** Any error as one of ours; `otherwise` is the code of those that are not. */
export function localError(error: unknown, otherwise: LocalCode): LocalError {
  if (error instanceof LocalError) return error;
  return failure(otherwise, error instanceof Error ? error.message : String(error));
}

export function toWire({ code, message, recoverable, param }: LocalError): WireError {
  return { code, message, recoverable, ...(param !== undefined && { param }) };
}

/** Reads what came through a channel; anything that is not an error in our form is a failure all the same. */
export function fromWire(value: unknown): LocalError {
  const wire = typeof value === "object" && value !== null ? (value as Partial<WireError>) : {};
  return failure(
    isLocalCode(wire.code) ? wire.code : "device_generation_failed",
    typeof wire.message === "string" ? wire.message : undefined,
    wire.recoverable === true,
    typeof wire.param === "string" ? wire.param : undefined,
  );
}
