import { Fragment, type ReactNode } from "react";

/** Shows each part under its place as key: right for what only grows at its end, as an answer does. */
export function keyed<Part>(parts: readonly Part[], show: (part: Part) => ReactNode) {
  return parts.map((part, at) => {
    const place = `${at}`;
    return <Fragment key={place}>{show(part)}</Fragment>;
  });
}
