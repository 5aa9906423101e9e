import fc from "fast-check";
import { expect, test } from "vitest";
import { newsIn } from "../src/answer";

function news(name: string, data: unknown) {
  return newsIn({ name, data: JSON.stringify(data) });
}

test("no text that a server could send as data throws", () => {
  const names = fc.constantFrom("release", "memory", "tool", "token", "done", "error", "other");
  fc.assert(fc.property(names, fc.oneof(fc.string(), fc.json()), (name, data) => void newsIn({ name, data })));
});

test("an event that this page does not know, or that holds no object, is no news", () => {
  expect(news("thought", { text: "…" })).toBeNull();
  expect(news("token", "bare text")).toBeNull();
  expect(newsIn({ name: "token", data: "{broken" })).toBeNull();
});

test("memories come one by one or as a list", () => {
  expect(news("memory", { text: "a", score: 0.5 })).toEqual({ kind: "memory", memories: [{ text: "a", score: 0.5 }] });
  expect(news("memory", { memories: [{ text: "a" }, { content: "b" }, "c", {}] })).toMatchObject({
    memories: [{ text: "a" }, { text: "b" }, { text: "c" }],
  });
});

test("a call without an outcome runs; one with a result succeeded; one with an error failed", () => {
  expect(news("tool", { name: "lint" })).toMatchObject({ tool: { id: "lint", state: "running", detail: "" } });
  expect(news("tool", { name: "lint", result: { ok: 1 }, duration_ms: 3 })).toMatchObject({
    tool: { state: "succeeded", detail: '{\n  "ok": 1\n}', milliseconds: 3 },
  });
  expect(news("tool", { name: "lint", error: "it is down" })).toMatchObject({
    tool: { state: "failed", detail: "it is down" },
  });
  expect(news("tool", { name: "lint", ok: false, result: "?" })).toMatchObject({ tool: { state: "failed" } });
});
