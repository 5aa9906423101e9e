import { useEffect, useState } from "react";
import { keep, keptText } from "./keeping";

const KEY = "sophia.draft";

/** What is typed and not sent; it outlives a reload. */
export function useDraft(): [string, (draft: string) => void] {
  const [draft, setDraft] = useState(() => keptText(KEY) ?? "");
  useEffect(() => keep(KEY, draft), [draft]);
  return [draft, setDraft];
}
