import { memo } from "react";
import { keyed } from "./keyed";
import { type Block, blocksOf, type Span } from "./markdown";

interface Props {
  readonly text: string;
  /** Whether more is to come; shows a caret. */
  readonly growing: boolean;
}

export const Prose = memo(function Prose({ text, growing }: Props) {
  if (text === "") return null;
  return <div className={growing ? "prose prose-growing" : "prose"}>{keyed(blocksOf(text), OneBlock)}</div>;
});

function OneBlock(block: Block) {
  if (block.kind === "paragraph") return <p>{keyed(block.spans, OneSpan)}</p>;
  if (block.kind === "code") {
    return (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: wide code scrolls, and a keyboard must be able to scroll it
      <pre tabIndex={0} data-language={block.language}>
        <code>{block.text}</code>
      </pre>
    );
  }
  const items = keyed(block.items, (item) => <li>{keyed(item, OneSpan)}</li>);
  return block.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
}

function OneSpan(span: Span) {
  if (span.kind === "code") return <code>{span.text}</code>;
  return span.kind === "strong" ? <strong>{span.text}</strong> : span.text;
}
