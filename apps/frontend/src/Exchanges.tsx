import { memo, useEffect, useRef } from "react";
import { type Exchange, isOpen } from "./conversation";
import { Prose } from "./Prose";
import { shortName } from "./release";
import { Sources } from "./Sources";

interface Props {
  readonly exchanges: readonly Exchange[];
  readonly busy: boolean;
  /** What stands above the text field and takes room there; the end stays in view when it comes and goes. */
  readonly notice: unknown;
  /** Sends a question again; called only because a person asked for it. */
  readonly onAgain: (question: string) => void;
}

export function Exchanges({ exchanges, busy, notice, onAgain }: Props) {
  useEndInView(exchanges, notice);
  return (
    <div className="exchanges" role="log" aria-label="Conversation" aria-busy={busy}>
      {exchanges.map((exchange, at) => (
        <OneExchange key={exchange.id} exchange={exchange} again={busy || at < exchanges.length - 1 ? null : onAgain} />
      ))}
    </div>
  );
}

const NEAR_PX = 140;

/** Keeps the end of the page in view while it grows, unless the reader has scrolled away from it. */
function useEndInView(exchanges: readonly Exchange[], notice: unknown) {
  const near = useRef(true);
  const count = exchanges.length;

  useEffect(() => {
    const look = () => {
      const page = document.documentElement;
      near.current = page.scrollHeight - page.clientHeight - page.scrollTop < NEAR_PX;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new question always comes into view
  useEffect(() => {
    near.current = true;
  }, [count]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what was added is the reason to scroll
  useEffect(() => {
    if (near.current) scrollTo(0, document.documentElement.scrollHeight);
  }, [exchanges, notice]);
}

interface OneProps {
  readonly exchange: Exchange;
  /** null where it is not the last, or another is on its way. */
  readonly again: ((question: string) => void) | null;
}

const OneExchange = memo(function OneExchange({ exchange, again }: OneProps) {
  const open = isOpen(exchange);
  return (
    <article className="exchange">
      <div className="question">
        <h2 className="unseen">You</h2>
        <Prose text={exchange.question} growing={false} />
      </div>
      <div className="answer" data-progress={exchange.progress}>
        <h2 className="unseen">Sophia</h2>
        <Sources memories={exchange.memories} tools={exchange.tools} open={open} />
        {exchange.answer === "" && open ? <Thinking /> : <Prose text={exchange.answer} growing={open} />}
        <Ending exchange={exchange} again={again} />
      </div>
    </article>
  );
});

function Thinking() {
  return (
    <p className="thinking">
      <span className="unseen">Sophia is thinking</span>
      <i />
      <i />
      <i />
    </p>
  );
}

function Ending({ exchange, again }: OneProps) {
  const { progress, because, question } = exchange;
  if (progress === "done") return <AnsweredBy release={exchange.release} />;
  if (progress === "stopped") return <p className="answered-by">You stopped this answer.</p>;
  if (progress !== "cut" && progress !== "failed") return null;
  return (
    <div className="broken" role="alert">
      <p>{progress === "cut" ? <CutText because={because} /> : `Sophia could not answer: ${because}.`}</p>
      {again !== null && (
        <button type="button" onClick={() => again(question)}>
          {progress === "cut" ? "Send again" : "Try again"}
        </button>
      )}
    </div>
  );
}

function CutText({ because }: { readonly because: string }) {
  return (
    <>
      <strong>This answer was cut off</strong> ({because}). Sophia may already have acted on your message, so it was not
      sent a second time.
    </>
  );
}

function AnsweredBy({ release }: { readonly release: string }) {
  if (release === "") return null;
  return (
    <p className="answered-by">
      answered by release <code>{shortName(release)}</code>
    </p>
  );
}
