import type { Device } from "../ui/device";

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make().catch((error: unknown) => {
      // What could not be loaded, for want of a connection, may be later.
      made = null;
      throw error;
    });
    return made;
  };
}

const files = once(async () => new (await import("../engine/local/modelfiles")).DeviceFiles());
const capabilities = once(async () => (await import("../engine/local/capabilities")).probe());

/** This device as the pages use it; each part is loaded when it is first asked for. */
export const device: Device = {
  files,
  capabilities,
  engine: once(async () => {
    const { createBrowserEngine } = await import("../engine/local/engine");
    return createBrowserEngine({ files: await files(), capabilities });
  }),
};
