import { expect, it } from "vitest";
import { LocalError } from "../local/errors";
import { type Draft, type Sealed, Vault, type VaultStore } from "./vault";

const OURS = "https://corral.example";
const KEY = "sk-0123456789-abcdefghij-WXYZ";

/** The store in memory, by structured clones, as IndexedDB keeps them. */
class Memory implements VaultStore {
  readonly rows = new Map<string, Sealed>();
  key: CryptoKey | undefined;
  all = async () => [...this.rows.values()].map((row) => structuredClone(row));
  get = async (id: string) => structuredClone(this.rows.get(id));
  put = async (row: Sealed) => void this.rows.set(row.id, structuredClone(row));
  remove = async (id: string) => void this.rows.delete(id);
  master = async () => this.key;
  keepMaster = async (made: CryptoKey) => {
    this.key ??= made;
    return this.key;
  };
}

const draft = (change: Partial<Draft> = {}): Draft => ({
  name: "Mine",
  kind: "openai",
  baseUrl: "https://api.example.com/v1/",
  models: ["big", " big ", "", "small"],
  key: ` ${KEY}\n`,
  ...change,
});

function made() {
  const store = new Memory();
  return { store, vault: new Vault(store, OURS) };
}

/** The code and the field of what a promise is rejected with. */
const failing = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: unknown) => (error instanceof LocalError ? [error.code, error.param].filter(Boolean).join(" ") : error),
  );

it("keeps settings as they are and the key sealed, and opens it again", async () => {
  const { store, vault } = made();
  const saved = await vault.save(draft());
  expect(saved).toMatchObject({
    baseUrl: "https://api.example.com/v1",
    models: ["big", "small"],
    hint: "WXYZ",
    keyed: true,
  });
  const [row] = store.rows.values();
  const bytes = new TextDecoder("latin1").decode(row?.sealed?.text);
  expect(JSON.stringify([...store.rows.values()]) + bytes).not.toContain(KEY);
  expect(JSON.stringify(await vault.list())).not.toContain("sealed");
  expect(store.key?.extractable).toBe(false);
  await expect(crypto.subtle.exportKey("raw", store.key as CryptoKey)).rejects.toThrow();
  expect(await vault.open(saved.id, saved.baseUrl)).toBe(KEY);
  // Another tab, another page: the same store.
  expect(await new Vault(store, OURS).open(saved.id, saved.baseUrl)).toBe(KEY);
});

it("seals each time anew", async () => {
  const { store, vault } = made();
  const { id } = await vault.save(draft());
  const before = store.rows.get(id)?.sealed;
  await vault.save(draft({ id }));
  const after = store.rows.get(id)?.sealed;
  expect(after?.iv).not.toEqual(before?.iv);
  expect(new Uint8Array(after?.text ?? new ArrayBuffer())).not.toEqual(
    new Uint8Array(before?.text ?? new ArrayBuffer()),
  );
});

it("opens a key for the address that it was entered for, and for no other", async () => {
  const { store, vault } = made();
  const { id } = await vault.save(draft());
  expect(await failing(vault.open(id, "https://evil.example/v1"))).toBe("device_key_unreadable");
  expect(await failing(vault.open(id, "http://api.example.com/v1"))).toBe("device_key_unreadable");
  expect(await failing(vault.save(draft({ id, baseUrl: "https://evil.example", key: undefined })))).toBe(
    "device_request_invalid key",
  );
  const moved = await vault.save(draft({ id, baseUrl: "https://api.example.com/v2", key: "", models: ["new"] }));
  expect(moved).toMatchObject({ hint: "WXYZ", models: ["new"] });
  expect(await vault.open(id, moved.baseUrl)).toBe(KEY);
  // Swapped between two rows, or changed by a bit.
  const other = await vault.save(draft({ name: "Other", key: `${KEY}2` }));
  const row = store.rows.get(id) as Sealed;
  store.rows.set(id, { ...row, sealed: store.rows.get(other.id)?.sealed ?? null });
  expect(await failing(vault.open(id, moved.baseUrl))).toBe("device_key_unreadable");
  const bytes = new Uint8Array(row.sealed?.text.slice(0) as ArrayBuffer);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  store.rows.set(id, { ...row, sealed: { iv: row.sealed?.iv as Uint8Array<ArrayBuffer>, text: bytes.buffer } });
  expect(await failing(vault.open(id, moved.baseUrl))).toBe("device_key_unreadable");
});

it("says that a key cannot be read when the browser has lost what seals it", async () => {
  const { store, vault } = made();
  const { id, baseUrl } = await vault.save(draft());
  store.key = undefined;
  expect(await failing(vault.open(id, baseUrl))).toBe("device_key_unreadable");
});

it("removes at once, and takes it back", async () => {
  const { store, vault } = made();
  const { id, baseUrl } = await vault.save(draft());
  const row = await vault.remove(id);
  expect(store.rows.size).toBe(0);
  expect(await failing(vault.open(id, baseUrl))).toBe("device_key_missing");
  await vault.restore(row);
  expect(await vault.open(id, baseUrl)).toBe(KEY);
});

it.each<[string, Partial<Draft>]>([
  ["name", { name: " " }],
  ["name", { name: "x".repeat(61) }],
  ["models", { models: [" "] }],
  ["models", { models: Array.from({ length: 51 }, (_, at) => `m${at}`) }],
  ["models", { models: ["m".repeat(151)] }],
  ["key", { key: "two words" }],
  ["key", { key: "k".repeat(501) }],
  ["key", { key: "schlüssel" }],
  ["key", { kind: "anthropic", key: "" }],
  ["baseUrl", { baseUrl: "api.example.com" }],
  ["baseUrl", { baseUrl: "http://api.example.com" }],
  ["baseUrl", { baseUrl: "http://[::1]:8000" }],
  ["baseUrl", { baseUrl: "ftp://localhost" }],
  ["baseUrl", { baseUrl: "javascript:alert(1)" }],
  ["baseUrl", { baseUrl: "https://user:pass@api.example.com" }],
  ["baseUrl", { baseUrl: "https://api.example.com/?key=1" }],
  ["baseUrl", { baseUrl: `${OURS}/v1` }],
  ["baseUrl", { baseUrl: `https://a.example/${"x".repeat(300)}` }],
])("names the field %s of %j", async (param, change) => {
  const { store, vault } = made();
  expect(await failing(vault.save(draft(change)))).toBe(`device_request_invalid ${param}`);
  expect(store.rows.size).toBe(0);
});

it("has names once, and twenty of them at most", async () => {
  const { vault } = made();
  for (let at = 0; at < 20; at += 1) await vault.save(draft({ name: `n${at}`, key: "" }));
  expect(await failing(vault.save(draft({ name: "one more" })))).toBe("device_request_invalid name");
  const [first] = await vault.list();
  expect(await failing(vault.save(draft({ id: first?.id, name: "n7" })))).toBe("device_request_invalid name");
  expect(await vault.open(first?.id ?? "", "https://api.example.com")).toBe("");
});

it("shows nothing of a short key, and keeps none where nothing can be encrypted", async () => {
  const { store, vault } = made();
  expect((await vault.save(draft({ key: "short-key" }))).hint).toBe("");
  const insecure = new Vault(store, OURS, { getRandomValues: crypto.getRandomValues } as unknown as Crypto);
  expect(await failing(insecure.save(draft({ name: "Other" })))).toBe("device_insecure");
});
