/** A failure of what runs on this device. `code` is a row of the error table; `recoverable` tells whether trying again can help. */
export class LocalError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly recoverable: boolean,
  ) {
    super(message);
    this.name = "LocalError";
  }
}
