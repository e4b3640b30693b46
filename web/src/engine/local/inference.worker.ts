/**
 * The inference worker. It wraps the libraries, which have workers of their own: so the parsing of each token, the
 * reading of the file and a library's size stay out of the page, and ending this worker ends all of them.
 */
import type { Adapter } from "./adapters/adapter";
import { Host } from "./host";

async function make(kind: "gguf" | "mlc"): Promise<Adapter> {
  if (kind === "mlc") return new (await import("./adapters/webllm")).WebLlmAdapter();
  return new (await import("./adapters/wllama")).WllamaAdapter();
}

const host = new Host(make, (report) => postMessage(report));
addEventListener("message", ({ data }: MessageEvent<unknown>) => void host.take(data));
// A lock of the worker's name, held as long as it lives and given back by the browser however it ends: the page, which
// asks for it after the first message, so learns of the end at once.
void navigator.locks?.request(self.name, () => {
  postMessage({ type: "ALIVE", id: "" });
  return new Promise(() => undefined);
});
