/** The little of Markdown that answers use, as data: fenced code, lists, `code`, **bold**. Everything else is text. */

export type Span = { readonly kind: "text" | "code" | "strong"; readonly text: string };

export type Block =
  | { readonly kind: "paragraph"; readonly spans: readonly Span[] }
  | { readonly kind: "list"; readonly ordered: boolean; readonly items: readonly (readonly Span[])[] }
  | { readonly kind: "code"; readonly language: string; readonly text: string };

/** Never throws, and loses no word: what is not closed yet, because the answer still grows, is shown as it stands. */
export function blocksOf(prose: string): readonly Block[] {
  const parts = prose.split(/^```/m);
  return parts.flatMap((part, at) => (at % 2 === 1 ? [codeOf(part)] : textBlocks(part)));
}

function codeOf(part: string): Block {
  const end = part.indexOf("\n");
  const language = end < 0 ? part : part.slice(0, end);
  return { kind: "code", language: language.trim(), text: end < 0 ? "" : part.slice(end + 1).replace(/\n$/, "") };
}

function textBlocks(part: string): Block[] {
  const groups: string[][] = [];
  let before = "blank";
  for (const line of part.split("\n")) {
    const kind = line.trim() === "" ? "blank" : ITEM.test(line) ? "item" : "prose";
    if (kind !== "blank" && kind === before) groups.at(-1)?.push(line);
    else if (kind !== "blank") groups.push([line]);
    before = kind;
  }
  return groups.map(textBlock);
}

const ITEM = /^(?:[-*]|\d+[.)]) +/;

function textBlock(lines: readonly string[]): Block {
  const first = lines[0] ?? "";
  if (!ITEM.test(first)) return { kind: "paragraph", spans: spansOf(lines.join("\n")) };
  return { kind: "list", ordered: /^\d/.test(first), items: lines.map((line) => spansOf(line.replace(ITEM, ""))) };
}

export function spansOf(text: string): readonly Span[] {
  return text
    .split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/)
    .filter((piece) => piece !== "")
    .map(spanOf);
}

function spanOf(piece: string): Span {
  if (/^`[^`\n]+`$/.test(piece)) return { kind: "code", text: piece.slice(1, -1) };
  if (/^\*\*[^*\n]+\*\*$/.test(piece)) return { kind: "strong", text: piece.slice(2, -2) };
  return { kind: "text", text: piece };
}
