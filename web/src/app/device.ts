import type { ModelFiles } from "../engine/local/files";

let made: Promise<ModelFiles> | null = null;

/** The models on this device, made when they are first needed. */
export function modelFiles(): Promise<ModelFiles> {
  made ??= import("../engine/local/modelfiles").then(({ DeviceFiles }) => new DeviceFiles());
  return made;
}
