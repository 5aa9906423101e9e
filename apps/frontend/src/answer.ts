/** What the backend says while it answers, made into typed news at the border. Nothing past here reads raw JSON. */

import type { ServerEvent } from "./sse";

export interface Memory {
  readonly text: string;
  readonly score: number | null;
}

export interface ToolCall {
  /** What tells two calls of one tool apart; the tool's name where the backend gives no id. */
  readonly id: string;
  readonly name: string;
  readonly state: "running" | "succeeded" | "failed";
  readonly detail: string;
  readonly milliseconds: number | null;
}

export type News =
  | { readonly kind: "release"; readonly release: string; readonly conversation: string | null }
  | { readonly kind: "memory"; readonly memories: readonly Memory[] }
  | { readonly kind: "tool"; readonly tool: ToolCall }
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "done"; readonly conversation: string | null; readonly text: string | null }
  | { readonly kind: "error"; readonly message: string };

type Fields = Record<string, unknown>;

/**
 * The news in an event, or null for an event this page does not know. Unknown events and extra fields are ignored, not
 * errors: during a switch an older page talks to a newer backend.
 */
export function newsIn(event: ServerEvent): News | null {
  const fields = fieldsOf(event.data);
  if (fields === null) return null;
  switch (event.name) {
    case "release":
      return { kind: "release", release: text(fields, "release") ?? "", conversation: text(fields, "conversation") };
    case "memory":
      return { kind: "memory", memories: memoriesIn(fields) };
    case "tool":
      return { kind: "tool", tool: toolIn(fields) };
    case "token":
      return { kind: "token", text: text(fields, "text", "token") ?? "" };
    case "done":
      return { kind: "done", conversation: text(fields, "conversation"), text: text(fields, "answer") };
    case "error":
      return { kind: "error", message: text(fields, "message", "detail", "title") ?? "it did not say why" };
    default:
      return null;
  }
}

function fieldsOf(data: string): Fields | null {
  try {
    return objectOf(JSON.parse(data));
  } catch {
    return null;
  }
}

export function objectOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

/** The first of these fields that holds a text. */
export function text(fields: Fields, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === "string") return value;
  }
  return null;
}

function number(fields: Fields, name: string): number | null {
  const value = fields[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function memoriesIn(fields: Fields): readonly Memory[] {
  const listed = Array.isArray(fields["memories"]) ? fields["memories"] : [fields];
  return listed
    .map((entry) => objectOf(entry) ?? { text: entry })
    .map((entry) => ({ text: text(entry, "text", "content") ?? "", score: number(entry, "score") }))
    .filter((memory) => memory.text !== "");
}

function toolIn(fields: Fields): ToolCall {
  const name = text(fields, "name", "tool") ?? "tool";
  const outcome = fields["result"] ?? fields["error"] ?? fields["detail"];
  return {
    id: text(fields, "id") ?? name,
    name,
    state: toolState(fields),
    detail: outcome === undefined || outcome === null ? "" : readable(outcome),
    milliseconds: number(fields, "milliseconds") ?? number(fields, "duration_ms"),
  };
}

function toolState(fields: Fields): ToolCall["state"] {
  const state = text(fields, "state", "status");
  if (fields["ok"] === false || fields["error"] || state === "failed" || state === "error") return "failed";
  const over = fields["ok"] === true || fields["result"] !== undefined || state === "succeeded" || state === "ok";
  return over || state === "done" ? "succeeded" : "running";
}

function readable(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
