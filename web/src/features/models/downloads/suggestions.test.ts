import { expect, test } from "vitest";
import { repository, suggestion } from "./suggestions";

test.each([
  ["Qwen/Qwen3-8B-GGUF", "Qwen/Qwen3-8B-GGUF"],
  ["  Qwen/Qwen3-8B-GGUF:Q4_K_M ", "Qwen/Qwen3-8B-GGUF"],
  ["https://hub.example/Qwen/Qwen3-8B-GGUF/tree/main", "Qwen/Qwen3-8B-GGUF"],
  ["qwen", null],
  ["https://hub.example/", null],
  ["https://", null],
  ["a/b/c", null],
  ["../../etc", null],
  ["a/..", null],
  ["", null],
])("%s means %s", (text, repo) => expect(repository(text)).toBe(repo));

test.each([
  [2e9, "Qwen3 0.6B"],
  [8e9, "Qwen3 4B"],
  [16.5e9, "Qwen3 8B"],
  [25e9, "Qwen3 14B"],
  [512e9, "Qwen3 32B"],
])("a machine with %d bytes is offered %s", (memory, label) => expect(suggestion(memory)?.label).toBe(label));
