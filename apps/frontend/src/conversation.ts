/**
 * A conversation, and what each piece of news makes of it. Pure: no clock, no network.
 *
 *     waiting ──first news──► streaming ──done──► done
 *        │                       │
 *        ├───────────────────────┼── stream ends without `done` ──► cut       it may have been acted on
 *        ├───────────────────────┼── `error`, or a status that is no 2xx ──► failed
 *        └───────────────────────┴── the person stops it ──► stopped
 *
 * The five at the right are final: news that comes late changes nothing.
 */

import type { Memory, News, ToolCall } from "./answer";

export type Progress = "waiting" | "streaming" | "done" | "cut" | "failed" | "stopped";

export interface Exchange {
  readonly id: number;
  readonly question: string;
  readonly answer: string;
  readonly memories: readonly Memory[];
  readonly tools: readonly ToolCall[];
  /** The release that answers; empty until it said so. */
  readonly release: string;
  readonly progress: Progress;
  /** Why it failed, in words for the person. */
  readonly because: string;
}

export interface Conversation {
  /** The backend's name for it; null until the first answer gave one. */
  readonly id: string | null;
  readonly exchanges: readonly Exchange[];
}

export type Change =
  | { readonly kind: "asked"; readonly id: number; readonly question: string }
  | { readonly kind: "news"; readonly id: number; readonly news: News }
  | { readonly kind: "ended"; readonly id: number; readonly as: "cut" | "failed" | "stopped"; readonly because: string }
  | { readonly kind: "begun anew" };

export const emptyConversation: Conversation = { id: null, exchanges: [] };

export function isOpen(exchange: Exchange): boolean {
  return exchange.progress === "waiting" || exchange.progress === "streaming";
}

/** The number of the next exchange; never one that was used. */
export function nextId(conversation: Conversation): number {
  return (conversation.exchanges.at(-1)?.id ?? 0) + 1;
}

export function changed(conversation: Conversation, change: Change): Conversation {
  switch (change.kind) {
    case "begun anew":
      return emptyConversation;
    case "asked":
      return { ...conversation, exchanges: [...conversation.exchanges, asked(change.id, change.question)] };
    case "ended":
      return withExchange(conversation, change.id, (open) => ended(open, change.as, change.because));
    case "news":
      return told(conversation, change.id, change.news);
  }
}

function asked(id: number, question: string): Exchange {
  return { id, question, answer: "", memories: [], tools: [], release: "", progress: "waiting", because: "" };
}

function told(conversation: Conversation, id: number, news: News): Conversation {
  const named = "conversation" in news && news.conversation !== null ? news.conversation : conversation.id;
  const next = withExchange(conversation, id, (open) => heard(open, news));
  return next === conversation ? conversation : { ...next, id: named };
}

/** Changes one exchange if it is still open; otherwise the very same conversation comes back. */
function withExchange(conversation: Conversation, id: number, change: (open: Exchange) => Exchange): Conversation {
  const at = conversation.exchanges.findIndex((exchange) => exchange.id === id);
  const exchange = conversation.exchanges[at];
  if (exchange === undefined || !isOpen(exchange)) return conversation;
  return { ...conversation, exchanges: conversation.exchanges.with(at, change(exchange)) };
}

function heard(open: Exchange, news: News): Exchange {
  const exchange: Exchange = { ...open, progress: "streaming" };
  switch (news.kind) {
    case "release":
      return { ...exchange, release: news.release || exchange.release };
    case "memory":
      return { ...exchange, memories: [...exchange.memories, ...news.memories] };
    case "tool":
      return { ...exchange, tools: withTool(exchange.tools, news.tool) };
    case "token":
      return { ...exchange, answer: exchange.answer + news.text };
    case "done":
      return { ...exchange, answer: exchange.answer || (news.text ?? ""), progress: "done" };
    case "error":
      return ended(exchange, "failed", news.message);
  }
}

/** A call that is still running is replaced by its own outcome; anything else is a call of its own. */
function withTool(tools: readonly ToolCall[], tool: ToolCall): readonly ToolCall[] {
  const at = tools.findIndex((call) => call.id === tool.id && call.state === "running");
  return at < 0 ? [...tools, tool] : tools.with(at, tool);
}

function ended(exchange: Exchange, as: "cut" | "failed" | "stopped", because: string): Exchange {
  return { ...exchange, progress: as, because };
}

/**
 * A conversation that was kept as text while the page was loaded anew; an empty one where the text is no conversation.
 * An answer that was on its way has lost its stream, so it is cut; whether it was acted on is unknown.
 */
export function restored(kept: string | null): Conversation {
  const conversation = kept === null ? null : parsed(kept);
  if (conversation === null) return emptyConversation;
  const exchanges = conversation.exchanges.map((exchange) =>
    isOpen(exchange) ? ended(exchange, "cut", "the page was loaded anew") : exchange,
  );
  return { ...conversation, exchanges };
}

function parsed(kept: string): Conversation | null {
  try {
    const value = JSON.parse(kept) as { v?: unknown; conversation?: Conversation } | null;
    return value?.v === KEPT_VERSION ? (value.conversation ?? null) : null;
  } catch {
    return null;
  }
}

/** Goes up when the shape changes: a page of another release then begins anew instead of reading what it cannot. */
const KEPT_VERSION = 1;

export function kept(conversation: Conversation): string {
  return JSON.stringify({ v: KEPT_VERSION, conversation });
}
