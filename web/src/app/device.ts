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
const own = once(async () => {
  const { OwnKeys } = await import("../engine/keys/own");
  return new OwnKeys();
});
const capabilities = once(async () => (await import("../engine/local/capabilities")).probe());

/** This device as the pages use it; each part is loaded when it is first asked for. */
export const device: Device = {
  files,
  capabilities,
  own,
  engine: once(async () => {
    const { createBrowserEngine } = await import("../engine/local/engine");
    return createBrowserEngine({ files: await files(), capabilities });
  }),
};

/** Seconds between the tries to bring the included model; the next visit tries again. */
const PAUSES = [1, 3, 10, 30];

/** Brings the model that comes with the app onto this device, unless it is there; what fails is told on the device's page. */
export async function fetchIncluded(): Promise<void> {
  for (const seconds of PAUSES) {
    try {
      return await bringIncluded();
    } catch (error) {
      if ((error as { recoverable?: unknown }).recoverable === false) return;
    }
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  }
  await bringIncluded().catch(() => undefined);
}

async function bringIncluded(): Promise<void> {
  const stored = await files();
  const models = await stored.list();
  if (models.length === 0) {
    // The table of errors is too large for a first page.
    const { failure } = await import("../engine/local/errors");
    throw failure("device_offline");
  }
  const missing = models.filter((model) => model.builtIn && model.usable === null && model.fits);
  for (const model of missing) await stored.download(model.id);
}
