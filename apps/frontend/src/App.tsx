import { lazy, useCallback, useEffect, useState } from "react";
import { accentHue } from "./accent";
import { Composer } from "./Composer";
import { Exchanges } from "./Exchanges";
import { Header } from "./Header";
import { Lazily } from "./Lazily";
import { ReleaseNotice } from "./ReleaseNotice";
import { useConversation } from "./useConversation";
import { useDraft } from "./useDraft";
import { useRelease } from "./useRelease";
import { Welcome } from "./Welcome";

const About = lazy(() => import("./About"));

export function App() {
  const { following, named, putAside } = useRelease();
  const { conversation, answering, send, stop, beginAnew } = useConversation(named);
  const [draft, setDraft] = useDraft();
  const [aboutOpen, setAboutOpen] = useState(false);
  const label = following.live?.label || (import.meta.env.VITE_LABEL ?? "");

  useEffect(() => document.documentElement.style.setProperty("--hue", String(accentHue(label))), [label]);

  const sendDraft = useCallback(() => {
    const question = draft.trim();
    if (question === "" || answering) return;
    setDraft("");
    send(question);
  }, [draft, answering, send, setDraft]);

  const empty = conversation.exchanges.length === 0;
  return (
    <div className="page">
      <Header following={following} label={label} onAbout={() => setAboutOpen(true)} onNew={empty ? null : beginAnew} />
      <main className={empty ? "talk talk-empty" : "talk"}>
        {empty ? (
          <Welcome onPick={setDraft} />
        ) : (
          <Exchanges exchanges={conversation.exchanges} busy={answering} notice={following.notice} onAgain={send} />
        )}
      </main>
      <footer className="foot">
        <ReleaseNotice following={following} answering={answering} onClose={putAside} />
        <Composer draft={draft} answering={answering} onDraft={setDraft} onSend={sendDraft} onStop={stop} />
      </footer>
      {aboutOpen && (
        <Lazily what="About this release" onClose={() => setAboutOpen(false)}>
          <About following={following} onClose={() => setAboutOpen(false)} />
        </Lazily>
      )}
    </div>
  );
}
