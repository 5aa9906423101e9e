import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { News } from "../src/answer";
import {
  type Change,
  type Conversation,
  changed,
  emptyConversation,
  isOpen,
  kept,
  nextId,
  restored,
} from "../src/conversation";

const asked: Change = { kind: "asked", id: 1, question: "when?" };
const token = (text: string): Change => ({ kind: "news", id: 1, news: { kind: "token", text } });
const done: Change = { kind: "news", id: 1, news: { kind: "done", conversation: "c1", text: null } };
const cut: Change = { kind: "ended", id: 1, as: "cut", because: "the stream ended" };
const tool = (state: "running" | "succeeded", name = "lint"): Change => ({
  kind: "news",
  id: 1,
  news: { kind: "tool", tool: { id: name, name, state, detail: "", milliseconds: null } },
});

function given(...changes: readonly Change[]): Conversation {
  return changes.reduce(changed, emptyConversation);
}

function only(conversation: Conversation) {
  const [exchange] = conversation.exchanges;
  if (exchange === undefined) throw new Error("no exchange");
  return exchange;
}

const anyNews: fc.Arbitrary<News> = fc.oneof(
  fc.string().map((text): News => ({ kind: "token", text })),
  fc.constant<News>({ kind: "release", release: "r1", conversation: null }),
  fc.constant<News>({ kind: "done", conversation: "c1", text: null }),
  fc.constant<News>({ kind: "error", message: "broken" }),
);
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  anyNews.map((news): Change => ({ kind: "news", id: 1, news })),
  fc.constantFrom<Change>(cut, { kind: "ended", id: 1, as: "stopped", because: "" }),
);

describe("an answer", () => {
  test("grows by its tokens and is over with `done`, which names the conversation", () => {
    const conversation = given(asked, token("on "), token("Thursday"), done);
    expect(only(conversation)).toMatchObject({ answer: "on Thursday", progress: "done" });
    expect(conversation.id).toBe("c1");
  });

  test("that is over stays as it is, whatever comes late", () => {
    fc.assert(
      fc.property(fc.array(anyChange), anyChange, (changes, late) => {
        const conversation = given(asked, ...changes);
        if (isOpen(only(conversation))) return;
        expect(changed(conversation, late)).toBe(conversation);
      }),
    );
  });

  test("that was cut keeps what had come, and never counts as done", () => {
    expect(only(given(asked, token("on Thu"), cut))).toMatchObject({ answer: "on Thu", progress: "cut" });
    expect(only(given(asked, cut, done)).progress).toBe("cut");
  });

  test("without tokens shows the whole text that `done` brings", () => {
    const whole: Change = { kind: "news", id: 1, news: { kind: "done", conversation: null, text: "Thursday" } };
    expect(only(given(asked, whole)).answer).toBe("Thursday");
  });

  test("keeps the release that the edge named where the backend names none", () => {
    const named = (release: string): Change => ({
      kind: "news",
      id: 1,
      news: { kind: "release", release, conversation: null },
    });
    expect(only(given(asked, named("r1"), named(""))).release).toBe("r1");
  });

  test("shows a call once: its outcome takes its place, and a second call is a second one", () => {
    const tools = only(given(asked, tool("running"), tool("succeeded"), tool("running"))).tools;
    expect(tools.map((call) => call.state)).toEqual(["succeeded", "running"]);
  });
});

describe("a conversation", () => {
  test("gives no number twice", () => {
    expect(nextId(given(asked, done))).toBe(2);
  });

  test("ignores news for an exchange that it does not have", () => {
    expect(given({ ...cut, id: 9 })).toBe(emptyConversation);
  });

  test("comes back after a reload; what was still open is cut, for nobody knows how it ended", () => {
    const whole = given(asked, token("x"), done);
    expect(restored(kept(whole))).toEqual(whole);
    expect(only(restored(kept(given(asked, token("x"))))).progress).toBe("cut");
  });

  test("begins anew where the kept text is none of this version", () => {
    for (const text of [null, "", "{", "null", "[]", '{"v":99,"conversation":{}}']) {
      expect(restored(text)).toEqual(emptyConversation);
    }
  });
});
