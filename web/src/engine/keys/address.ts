/** The addresses that a key may be sent to. */
import { failure } from "../local/errors";

const LONGEST = 300;
/** Hosts that are this machine, to which a key may go in the clear. (A policy of content cannot name `[::1]`.) */
const LOOPBACK = new Set(["localhost", "127.0.0.1"]);

const wrong = (message: string) => failure("device_request_invalid", message, false, "baseUrl");

/**
 * The address in its one form, without a slash at the end. `ours` is the origin of this page: a key for a provider must not go to
 * Corral's own server. Raises LocalError `device_request_invalid`.
 */
export function checkAddress(value: string, ours: string): string {
  const text = value.trim();
  const url = text.length <= LONGEST && URL.canParse(text) ? new URL(text) : null;
  if (!url) throw wrong("Write the whole address, as in https://api.example.com/v1.");
  const local = url.protocol === "http:" && LOOPBACK.has(url.hostname);
  if (url.protocol !== "https:" && !local)
    throw wrong("The address must begin with https://, or be http://localhost or http://127.0.0.1 for this machine.");
  if (url.username || url.password || url.search || url.hash)
    throw wrong("The address must have no user name, no ? and no #; the key has its own field.");
  if (url.origin === ours) throw wrong("This is Corral's own address; a key of a provider must not be sent there.");
  return (url.origin + url.pathname).replace(/\/+$/, "");
}
