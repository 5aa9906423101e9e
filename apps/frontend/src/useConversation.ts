import { useCallback, useEffect, useReducer, useRef } from "react";
import { ask, type Listener } from "./chat";
import { type Conversation, changed, isOpen, kept, nextId, restored } from "./conversation";
import { keep, keptText } from "./keeping";

const KEY = "sophia.conversation";

export interface Talk {
  readonly conversation: Conversation;
  readonly answering: boolean;
  readonly send: (question: string) => void;
  readonly stop: () => void;
  readonly beginAnew: () => void;
}

/** The conversation of this tab: kept over a reload, one question at a time. `onRelease` hears the edge's header. */
export function useConversation(onRelease: Listener["release"]): Talk {
  const [conversation, dispatch] = useReducer(changed, null, () => restored(keptText(KEY)));
  const underWay = useRef<AbortController | null>(null);

  useEffect(() => keep(KEY, kept(conversation)), [conversation]);
  useEffect(() => () => underWay.current?.abort(), []);

  const answering = conversation.exchanges.some(isOpen);

  const send = useCallback(
    (question: string) => {
      if (underWay.current !== null) return;
      const controller = new AbortController();
      underWay.current = controller;
      const id = nextId(conversation);
      dispatch({ kind: "asked", id, question });
      // A conversation begun anew uses the numbers again; what an older question still hears is not for it.
      const current = () => underWay.current === controller;
      const news: Listener["news"] = (told) => current() && dispatch({ kind: "news", id, news: told });
      const release: Listener["release"] = (name) => {
        onRelease(name);
        news({ kind: "release", release: name, conversation: null });
      };
      ask(question, conversation.id, controller.signal, { release, news }).then((ending) => {
        if (!current()) return;
        underWay.current = null;
        if (ending.as !== "done") dispatch({ kind: "ended", id, as: ending.as, because: ending.because });
      });
    },
    [conversation, onRelease],
  );

  const stop = useCallback(() => underWay.current?.abort(), []);

  const beginAnew = useCallback(() => {
    underWay.current?.abort();
    underWay.current = null;
    dispatch({ kind: "begun anew" });
  }, []);

  return { conversation, answering, send, stop, beginAnew };
}
