import type { Memory, ToolCall } from "./answer";
import { keyed } from "./keyed";

interface Props {
  readonly memories: readonly Memory[];
  readonly tools: readonly ToolCall[];
  /** Whether the answer is still on its way; a call without an outcome then counts as running. */
  readonly open: boolean;
}

/** What an answer rests on: memories that were found, tools that were called. */
export function Sources({ memories, tools, open }: Props) {
  if (memories.length + tools.length === 0) return null;
  return (
    <div className="sources">
      {memories.length > 0 && <Memories memories={memories} />}
      {keyed(tools, (tool) => (
        <Tool tool={tool} open={open} />
      ))}
    </div>
  );
}

function Memories({ memories }: { readonly memories: readonly Memory[] }) {
  return (
    <details className="source">
      <summary>
        <span aria-hidden="true" className="glyph glyph-memory" />
        {memories.length === 1 ? "1 memory" : `${memories.length} memories`}
      </summary>
      <ul>
        {keyed(memories, (memory) => (
          <li>{memory.text}</li>
        ))}
      </ul>
    </details>
  );
}

const STATES = { running: "running", succeeded: "done", failed: "failed" } as const;

function Tool({ tool, open }: { readonly tool: ToolCall; readonly open: boolean }) {
  const state = tool.state === "running" && !open ? "no outcome" : STATES[tool.state];
  const time = tool.milliseconds === null ? "" : ` · ${Math.round(tool.milliseconds)} ms`;
  return (
    <details className="source" data-state={state}>
      <summary>
        <span aria-hidden="true" className="glyph glyph-tool" />
        <code>{tool.name}</code>
        <span className="state">
          {state}
          {time}
        </span>
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long result scrolls, and a keyboard must be able to scroll it */}
      <pre tabIndex={0}>{tool.detail === "" ? "nothing was returned" : tool.detail}</pre>
    </details>
  );
}
