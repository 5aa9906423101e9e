/** Which release serves, as this page saw it: what `/version` and the edge's header say, folded. Pure. */

import { objectOf, text } from "./answer";

/** What one look at the backend found. */
export interface Sighting {
  /** Empty where neither the edge nor the backend names one, as without an edge. */
  readonly release: string;
  /** Empty where the backend has none; null while only an answer's header has named this release. */
  readonly label: string | null;
  readonly service: string;
  readonly version: string;
}

export interface Seen {
  readonly release: string;
  readonly label: string | null;
  readonly at: number;
}

export interface Following {
  readonly live: Sighting | null;
  /** Every change of release, or of its label alone, since the page was loaded, oldest first; the first entry is what it met. */
  readonly seen: readonly Seen[];
  /** Whether the last look had an answer. */
  readonly reachable: boolean;
  /** A release that took over and that the person has not put aside yet. */
  readonly notice: Seen | null;
  /** Whether the server now has another page than this one, so that loading it anew changes something. */
  readonly newerPage: boolean;
}

export type Look =
  | { readonly kind: "sighted"; readonly sighting: Sighting; readonly at: number }
  | { readonly kind: "named"; readonly release: string; readonly at: number }
  | { readonly kind: "unreachable" }
  | { readonly kind: "page"; readonly newer: boolean }
  | { readonly kind: "put aside" };

export const nothingSeen: Following = { live: null, seen: [], reachable: true, notice: null, newerPage: false };

export function followed(following: Following, look: Look): Following {
  switch (look.kind) {
    case "unreachable":
      return following.reachable ? { ...following, reachable: false } : following;
    case "put aside":
      return { ...following, notice: null };
    case "page":
      return look.newer === following.newerPage ? following : { ...following, newerPage: look.newer };
    case "named":
      return look.release === "" ? following : sighted(following, named(following.live, look.release), look.at);
    case "sighted":
      return sighted(following, look.sighting, look.at);
  }
}

/** What an answer's header says: the release alone. Its label is not known until the next look. */
function named(live: Sighting | null, release: string): Sighting {
  if (live?.release === release) return live;
  return { release, label: null, service: live?.service ?? "", version: "" };
}

function sighted(following: Following, sighting: Sighting, at: number): Following {
  const last = following.seen.at(-1);
  const known = { ...following, live: sighting, reachable: true };
  const entry: Seen = { release: sighting.release, label: sighting.label, at };
  if (last?.release === sighting.release && last.label === sighting.label) return known;
  if (last?.release === sighting.release && last.label === null) return withLabel(known, last, sighting.label);
  return { ...known, seen: [...following.seen, entry], notice: last === undefined ? null : entry };
}

/** A release that only a header had named gets its label when `/version` says it. */
function withLabel(following: Following, last: Seen, label: string | null): Following {
  const entry: Seen = { ...last, label };
  const notice = following.notice === last ? entry : following.notice;
  return { ...following, seen: following.seen.with(-1, entry), notice };
}

/** What `/version` answered, with the edge's header, which knows better; null if it is not an answer of `/version`. */
export function sightingIn(body: unknown, header: string | null): Sighting | null {
  const fields = objectOf(body);
  if (fields === null) return null;
  return {
    release: header || (text(fields, "release") ?? ""),
    label: text(fields, "label") ?? "",
    service: text(fields, "service") ?? "",
    version: text(fields, "version") ?? "",
  };
}

/** A release's name in as few characters as a person compares: `sha256:3f9ac2d1…` is `3f9ac2d1`. */
export function shortName(release: string): string {
  const name = release.replace(/^[a-z0-9]+:/, "");
  return /^[0-9a-f]{16,}$/.test(name) ? name.slice(0, 8) : name;
}
