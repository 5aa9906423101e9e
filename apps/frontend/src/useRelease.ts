import { useCallback, useEffect, useReducer } from "react";
import { objectOf, text } from "./answer";
import { type Following, followed, nothingSeen, type Sighting, sightingIn } from "./release";

const EVERY_MS = 5_000;
const EVERY_MS_WHEN_LOST = 1_500;
const LIMIT_MS = 4_000;

export interface Watching {
  readonly following: Following;
  /** Tells what an answer's header named. */
  readonly named: (release: string) => void;
  readonly putAside: () => void;
}

/** Follows which release serves: asks `/version` while the page is visible, and what other answers say on the way. */
export function useRelease(): Watching {
  const [following, dispatch] = useReducer(followed, nothingSeen);
  const everyMs = following.reachable ? EVERY_MS : EVERY_MS_WHEN_LOST;
  const release = following.live?.release ?? "";

  const look = useCallback(async () => {
    const sighting = await sight();
    dispatch(sighting === null ? { kind: "unreachable" } : { kind: "sighted", sighting, at: Date.now() });
  }, []);

  useEffect(() => repeat(look, everyMs), [look, everyMs]);

  const onlyNamed = following.live?.label === null;
  useEffect(() => {
    if (onlyNamed) look();
  }, [onlyNamed, look]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a release that took over is the reason to ask
  useEffect(() => {
    let wanted = true;
    pageIsOld().then((newer) => wanted && dispatch({ kind: "page", newer }));
    return () => {
      wanted = false;
    };
  }, [release]);

  const named = useCallback((name: string) => dispatch({ kind: "named", release: name, at: Date.now() }), []);
  const putAside = useCallback(() => dispatch({ kind: "put aside" }), []);
  return { following, named, putAside };
}

/** Calls now, after each pause, and when the page is looked at again; the returned function ends it. */
function repeat(call: () => Promise<void>, everyMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  let under = false;
  const turn = async (): Promise<void> => {
    if (over || under || document.hidden) return;
    clearTimeout(timer);
    under = true;
    await call();
    under = false;
    if (!over) timer = setTimeout(turn, everyMs);
  };
  document.addEventListener("visibilitychange", turn);
  addEventListener("online", turn);
  turn();
  return () => {
    over = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turn);
    removeEventListener("online", turn);
  };
}

async function sight(): Promise<Sighting | null> {
  const answer = await json("/version");
  return answer === null ? null : sightingIn(answer.body, answer.release);
}

/** Whether the server's page begins with another script than this one; false where it does not say. */
async function pageIsOld(): Promise<boolean> {
  const fields = objectOf((await json("/page.json"))?.body);
  const entry = fields === null ? "" : (text(fields, "entry") ?? "");
  return entry !== "" && import.meta.env.PROD && document.querySelector(`script[src$="${CSS.escape(entry)}"]`) === null;
}

async function json(path: string): Promise<{ body: unknown; release: string | null } | null> {
  try {
    const response = await fetch(path, { cache: "no-cache", signal: AbortSignal.timeout(LIMIT_MS) });
    if (!response.ok) return null;
    return { body: await response.json(), release: response.headers.get("x-sophia-release") };
  } catch {
    return null;
  }
}
