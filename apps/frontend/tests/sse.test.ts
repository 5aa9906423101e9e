import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { feed, nothingPending, type ServerEvent } from "../src/sse";

function read(...chunks: readonly string[]): readonly ServerEvent[] {
  const events: ServerEvent[] = [];
  let pending = nothingPending;
  for (const chunk of chunks) {
    const [complete, rest] = feed(pending, chunk);
    events.push(...complete);
    pending = rest;
  }
  return events;
}

function written(event: ServerEvent, lineEnd: string): string {
  const lines = [`event: ${event.name}`, ...event.data.split("\n").map((line) => `data: ${line}`), "", ""];
  return lines.join(lineEnd);
}

const line = fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n]/g, ""));
const event = fc.record({ name: fc.constantFrom("token", "done", "tool"), data: fc.array(line, { minLength: 1 }) });
const stream = fc.array(event.map(({ name, data }) => ({ name, data: data.join("\n") })));

/** Cuts a text at the given places, wherever they fall. */
function cut(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => place % (text.length + 1)).sort((a, b) => a - b), text.length];
  return at.slice(1).map((end, index) => text.slice(at[index], end));
}

describe("a stream of server-sent events", () => {
  test("is read the same however it is cut into chunks, with every kind of line end", () => {
    fc.assert(
      fc.property(stream, fc.constantFrom("\n", "\r\n", "\r"), fc.array(fc.nat()), (events, lineEnd, places) => {
        const text = events.map((one) => written(one, lineEnd)).join("");
        expect(read(...cut(text, places))).toEqual(events);
      }),
    );
  });

  test("gives out no event that no empty line completed", () => {
    expect(read("event: done\ndata: {}\n")).toEqual([]);
  });

  test("names an event without a name `message`, and takes one space after the colon away, not two", () => {
    expect(read("data:  two\n\ndata:none\n\n")).toEqual([
      { name: "message", data: " two" },
      { name: "message", data: "none" },
    ]);
  });

  test("skips comments, events without data, and fields it does not know", () => {
    expect(read(": keep-alive\n\nevent: done\n\nid: 7\nretry: 10\ndata: x\n\n")).toEqual([
      { name: "message", data: "x" },
    ]);
  });
});
