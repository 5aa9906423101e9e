/** Server-sent events as text: what a stream says, without asking where the text came from. */

export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/** What has arrived of an event that is not complete yet. */
export interface Pending {
  readonly text: string;
  /** Whether the last character was a `\r`, which is half a line end if a `\n` follows and a whole one if not. */
  readonly carriageReturn: boolean;
}

export const nothingPending: Pending = { text: "", carriageReturn: false };

/**
 * The events that `chunk` completes, in order, and what is left of it. However a stream is cut into chunks, the events
 * are the same. An event that no empty line completes is never given out, as the standard wants it: half an event is
 * no event.
 */
export function feed(pending: Pending, chunk: string): readonly [readonly ServerEvent[], Pending] {
  if (chunk === "") return [[], pending];
  const fresh = pending.carriageReturn && chunk.startsWith("\n") ? chunk.slice(1) : chunk;
  const text = pending.text + fresh.replace(/\r\n?/g, "\n");
  const blocks = text.split("\n\n");
  const rest = blocks.pop() ?? "";
  const events = blocks.map(parse).filter((event) => event !== null);
  return [events, { text: rest, carriageReturn: chunk.endsWith("\r") }];
}

/** One event, or null where the lines are comments only (a server's keep-alive). */
function parse(block: string): ServerEvent | null {
  let name = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [field, value] = fieldOf(line);
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  return data.length === 0 ? null : { name, data: data.join("\n") };
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}
