import { type Following, shortName } from "./release";

interface Props {
  readonly following: Following;
  readonly label: string;
  readonly onAbout: () => void;
  /** null where there is nothing to begin anew from. */
  readonly onNew: (() => void) | null;
}

export function Header({ following, label, onAbout, onNew }: Props) {
  return (
    <header className="head">
      <h1 className="brand">
        <Mark />
        Sophia
      </h1>
      {label !== "" && (
        <span className="label" data-testid="label">
          {label}
        </span>
      )}
      <span className="grow" />
      {onNew !== null && (
        <button type="button" className="quiet" onClick={onNew}>
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d="M10 4v12M4 10h12" />
          </svg>
          <span className="narrow-unseen">New chat</span>
        </button>
      )}
      <button type="button" className="release" aria-haspopup="dialog" onClick={onAbout} title="About this release">
        <span className={following.reachable ? "dot" : "dot dot-lost"} aria-hidden="true" />
        <ReleaseText following={following} />
      </button>
    </header>
  );
}

function ReleaseText({ following }: { readonly following: Following }) {
  if (!following.reachable) return <span role="status">Reconnecting…</span>;
  const release = following.live?.release ?? "";
  if (release !== "") {
    return (
      <span>
        <span className="wide">Release </span>
        <code data-testid="release">{shortName(release)}</code>
      </span>
    );
  }
  return <span>{following.live === null ? "Connecting…" : "No release named"}</span>;
}

function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M21.5 11.2c-1-1.9-3-3-5.6-3-3.2 0-5.4 1.6-5.4 4 0 5.6 11.4 2.5 11.4 8 0 2.4-2.3 4-5.7 4-2.9 0-5.1-1.2-6.1-3.3" />
    </svg>
  );
}
