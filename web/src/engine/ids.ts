/** Random bytes as hexadecimal digits; works outside secure contexts as well, where `crypto.randomUUID` is missing. */
export const hex = (bytes: number): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const randomKey = (): string => hex(16);
