import fc from "fast-check";
import { expect, test } from "vitest";
import { type Block, blocksOf, spansOf } from "../src/markdown";

function wordsOf(block: Block): string {
  if (block.kind === "code") return `${block.language} ${block.text}`;
  const spans = block.kind === "list" ? block.items.flat() : block.spans;
  return spans.map((span) => span.text).join(" ");
}

test("paragraphs, lists and fenced code are told apart", () => {
  const prose = "Two findings:\n- `S605` a shell\n- unused\n```py\nimport os\n```\nThat is **all**.";
  expect(blocksOf(prose)).toEqual([
    { kind: "paragraph", spans: [{ kind: "text", text: "Two findings:" }] },
    {
      kind: "list",
      ordered: false,
      items: [
        [
          { kind: "code", text: "S605" },
          { kind: "text", text: " a shell" },
        ],
        [{ kind: "text", text: "unused" }],
      ],
    },
    { kind: "code", language: "py", text: "import os" },
    {
      kind: "paragraph",
      spans: [
        { kind: "text", text: "That is " },
        { kind: "strong", text: "all" },
        { kind: "text", text: "." },
      ],
    },
  ]);
});

test("code that is still being written is shown as code", () => {
  expect(blocksOf("See:\n```py\nimport")).toMatchObject([{ kind: "paragraph" }, { kind: "code", text: "import" }]);
});

test("no word of an answer is lost, at whatever point it has arrived", () => {
  const pieces = fc.constantFrom("word", "`", "**", "```", "\n", "\n\n", "- ", "1. ", " ", "<b>");
  fc.assert(
    fc.property(fc.array(pieces), (parts) => {
      const prose = parts.join("");
      const shown = blocksOf(prose).map(wordsOf).join(" ");
      expect(shown.match(/word|<b>/g) ?? []).toEqual(prose.match(/word|<b>/g) ?? []);
    }),
  );
});

test("a marker that is not closed is text", () => {
  expect(spansOf("a `b and **c")).toEqual([{ kind: "text", text: "a `b and **c" }]);
});
