import { SERVERLESS } from "../engine/edition";
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

/** The list of the models that lie beside a static build. */
const beside = () => new URL("models/index.json", document.baseURI).href;

const files = once(async () => {
  const { DeviceFiles } = await import("../engine/local/modelfiles");
  return new DeviceFiles(SERVERLESS ? beside() : undefined);
});
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

/** Brings the model that comes with the app onto this device, unless it is there; what fails is told on the device's page. */
export async function fetchIncluded(): Promise<void> {
  try {
    const stored = await files();
    const missing = (await stored.list()).filter((model) => model.builtIn && model.usable === null && model.fits);
    for (const model of missing) await stored.download(model.id);
  } catch {
    // It is tried again with the next visit.
  }
}
