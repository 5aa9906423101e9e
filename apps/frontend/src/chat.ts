/**
 * One question to the backend, its answer as a stream of news. Every question is sent exactly once: a POST that may
 * have been acted on is repeated by nobody but the person, who is told that it may have been.
 */

import { type News, newsIn } from "./answer";
import { feed, nothingPending } from "./sse";

export type Ending = { readonly as: "done" } | { readonly as: "cut" | "failed" | "stopped"; readonly because: string };

export interface Listener {
  /** The release that the edge put on the answer; empty without an edge. */
  readonly release: (release: string) => void;
  readonly news: (news: News) => unknown;
}

/** A stream that says nothing for so long, not even a keep-alive, is taken for cut. */
export const SILENCE_MS = 60_000;

const SILENT = "nothing was heard for a minute";

/** Resolves when the answer is over, however it ends; never rejects. `stop` ends it as stopped. */
export async function ask(
  question: string,
  conversation: string | null,
  stop: AbortSignal,
  listener: Listener,
): Promise<Ending> {
  const silence = new Watchdog(SILENCE_MS);
  try {
    const response = await fetch("/chat", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ message: question, conversation }),
      signal: AbortSignal.any([stop, silence.signal]),
    });
    listener.release(response.headers.get("x-sophia-release") ?? "");
    if (!response.ok || response.body === null) return refused(response.status);
    return await listen(response.body, silence, listener);
  } catch (error) {
    if (stop.aborted) return { as: "stopped", because: "" };
    return { as: "cut", because: silence.signal.aborted ? SILENT : connectionLost(error) };
  } finally {
    silence.end();
  }
}

/** An answer by the edge or the backend that is none: nothing streams, and its status says why. */
function refused(status: number): Ending {
  const reasons: Readonly<Record<number, string>> = {
    413: "the message is too long",
    422: "the message was not understood",
    429: "too many messages at once",
    502: "the edge could not reach it (502)",
    503: "no instance can answer right now (503)",
    504: "it took too long (504)",
  };
  return { as: "failed", because: reasons[status] ?? `it answered with status ${status}` };
}

async function listen(body: ReadableStream<Uint8Array>, silence: Watchdog, listener: Listener): Promise<Ending> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let pending = nothingPending;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { as: "cut", because: "the stream ended before the answer did" };
    silence.heard();
    const [events, rest] = feed(pending, decoder.decode(value, { stream: true }));
    pending = rest;
    for (const event of events) {
      const news = newsIn(event);
      if (news !== null) listener.news(news);
      if (news?.kind === "done") return { as: "done" };
      if (news?.kind === "error") return { as: "failed", because: news.message };
    }
  }
}

function connectionLost(error: unknown): string {
  return error instanceof TypeError ? "the connection was lost" : String(error);
}

/** Aborts its signal when it was not told `heard` for the given time. */
class Watchdog {
  readonly #milliseconds: number;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    this.end();
    this.#timer = setTimeout(() => this.#controller.abort(), this.#milliseconds);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
