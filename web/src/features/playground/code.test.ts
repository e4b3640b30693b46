import { expect, test } from "vitest";
import { code, LANGUAGES, python } from "./code";
import { DIALECTS, emptyDraft, message } from "./draft";
import { build } from "./request";

const written = (dialect: (typeof DIALECTS)[number]["id"], stream: boolean) =>
  build({
    ...emptyDraft(),
    dialect,
    model: "m",
    stream,
    messages: [message("user", { content: 'it\'s\n"here"' })],
    extra: '{"own": null}',
  });

test("values of JSON as Python writes them", () => {
  expect(python({ a: null, b: [true, false], c: 'it\'s "so"\n', d: 1.5, e: {}, f: [] })).toBe(
    '{\n    "a": None,\n    "b": [\n        True,\n        False,\n    ],\n    "c": "it\'s \\"so\\"\\n",\n    "d": 1.5,\n    "e": {},\n    "f": [],\n}',
  );
});

test("curl gets the body as it is, with quotes that a shell takes", () => {
  const built = written("anthropic", true);
  const text = code("curl", "anthropic", built, "http://h:1") ?? "";
  expect(text).toContain("curl -N 'http://h:1/v1/messages'");
  expect(text).toContain("-H 'anthropic-version: 2023-06-01'");
  const quoted = /--data-binary '(.*)'\n$/s.exec(text)?.[1] ?? "";
  expect(quoted.replaceAll("'\\''", "'")).toBe(built.body);
});

test("Python gets fields that its library does not know by themselves", () => {
  const text = code("python", "openai_chat", written("openai_chat", false), "http://h:1") ?? "";
  expect(text).toContain('OpenAI(base_url="http://h:1/v1", api_key="none")');
  expect(text).toContain('    extra_body={\n        "own": None,\n    },\n');
  expect(text).toContain('    model="m",\n');
  expect(text).toContain("print(answer.choices[0].message.content)");
});

test("JavaScript gets the body", () => {
  const text = code("javascript", "openai_responses", written("openai_responses", true), "http://h:1") ?? "";
  expect(text).toContain('baseURL: "http://h:1/v1"');
  expect(text).toContain("for await (const event of answer)");
  expect(text).toContain('"own": null');
});

test("every dialect can be had in every language, streaming and not", () => {
  for (const { id } of DIALECTS)
    for (const language of LANGUAGES)
      for (const stream of [true, false]) {
        const text = code(language.id, id, written(id, stream), "http://h:1") ?? "";
        expect(text).toContain("http://h:1");
        expect(text).not.toContain("undefined");
        expect(text).not.toContain("{base}");
      }
});

test("a request with faults has no code", () => {
  expect(code("curl", "openai_chat", build(emptyDraft()), "http://h:1")).toBeNull();
});
