/** Models to begin with, from small to large: the makers' own files, under Apache 2.0. */
export const SUGGESTIONS: readonly { repo: string; label: string; memory: number; says: string }[] = [
  { repo: "Qwen/Qwen3-0.6B-GGUF", label: "Qwen3 0.6B", memory: 0, says: "very small and quick" },
  { repo: "Qwen/Qwen3-1.7B-GGUF", label: "Qwen3 1.7B", memory: 4e9, says: "small and quick" },
  { repo: "Qwen/Qwen3-4B-GGUF", label: "Qwen3 4B", memory: 7.5e9, says: "good for everyday questions" },
  { repo: "Qwen/Qwen3-8B-GGUF", label: "Qwen3 8B", memory: 14e9, says: "a good all-round model" },
  { repo: "Qwen/Qwen3-14B-GGUF", label: "Qwen3 14B", memory: 22e9, says: "strong; slow without a GPU" },
  { repo: "Qwen/Qwen3-32B-GGUF", label: "Qwen3 32B", memory: 44e9, says: "very strong; wants a GPU" },
];

/** The largest that suits a machine with so many bytes of memory. */
export function suggestion(memory: number) {
  return [...SUGGESTIONS].reverse().find((one) => memory >= one.memory) ?? SUGGESTIONS[0];
}

const NAME = /^[\w.-]+\/[\w.-]+$/;

/** The repository that somebody means: `owner/name`, also with `:QUANT`, or an address of a hub. Null for anything else. */
export function repository(text: string): string | null {
  let name = text.trim();
  if (/^https?:\/\//i.test(name)) {
    const path = URL.canParse(name) ? new URL(name).pathname : "";
    name = path.split("/").filter(Boolean).slice(0, 2).join("/");
  }
  name = name.replace(/:[\w.-]*$/, "");
  return NAME.test(name) && !name.includes("..") ? name : null;
}
