import { Dialog } from "./Dialog";
import { type Following, type Seen, shortName } from "./release";

interface Props {
  readonly following: Following;
  readonly onClose: () => void;
}

/** Loaded on demand, and so also the proof that a page from before a switch still finds its files after it. */
export default function About({ following, onClose }: Props) {
  const { live, seen, newerPage } = following;
  const page = [__VERSION__, import.meta.env.VITE_LABEL].filter(Boolean).join(" · ");
  return (
    <Dialog title="About this release" onClose={onClose}>
      <dl className="facts">
        <Fact name="Release" value={live?.release} />
        <Fact name="Label" value={live?.label} />
        <Fact name="Backend" value={[live?.service, live?.version].filter(Boolean).join(" ")} />
        <Fact name="This page" value={newerPage ? `${page} (a newer one is there)` : page} />
      </dl>
      <h3>Seen since this page was loaded</h3>
      <ol className="seen" reversed>
        {seen.toReversed().map((entry) => (
          <li key={entry.at}>
            <OneSeen entry={entry} />
          </li>
        ))}
      </ol>
    </Dialog>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string | null | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value ? <code>{value}</code> : <span className="none">not named</span>}</dd>
    </div>
  );
}

function OneSeen({ entry }: { readonly entry: Seen }) {
  const at = new Date(entry.at);
  return (
    <>
      <time dateTime={at.toISOString()}>{at.toLocaleTimeString()}</time>{" "}
      <code>{shortName(entry.release) || "not named"}</code>
      {entry.label ? ` ${entry.label}` : ""}
    </>
  );
}
