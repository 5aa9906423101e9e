import { useLayoutEffect, useRef } from "react";

interface Props {
  readonly draft: string;
  readonly answering: boolean;
  readonly onDraft: (draft: string) => void;
  readonly onSend: () => void;
  readonly onStop: () => void;
}

/** Enter sends, Shift+Enter makes a line, Escape stops an answer. One may type on while an answer comes. */
export function Composer({ draft, answering, onDraft, onSend, onStop }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the text decides the height
  useLayoutEffect(() => {
    if (field.current === null) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight}px`;
  }, [draft]);

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === "Escape" && answering) onStop();
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    onSend();
  };

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      <label className="unseen" htmlFor="message">
        Message
      </label>
      <textarea
        id="message"
        ref={field}
        rows={1}
        value={draft}
        placeholder="Write to Sophia"
        autoComplete="off"
        onChange={(event) => onDraft(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {answering ? (
        <button type="button" className="act" onClick={onStop}>
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <rect x="5" y="5" width="10" height="10" rx="2" />
          </svg>
          <span className="unseen">Stop</span>
        </button>
      ) : (
        <button type="submit" className="act" disabled={draft.trim() === ""}>
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d="M10 16V4.5M4.8 9.5 10 4.300l5.200 5.200" />
          </svg>
          <span className="unseen">Send</span>
        </button>
      )}
    </form>
  );
}
