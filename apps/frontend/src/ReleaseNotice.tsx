import { type Following, shortName } from "./release";

interface Props {
  readonly following: Following;
  readonly answering: boolean;
  readonly onClose: () => void;
}

/** Says that another release took over. Nothing reloads by itself; a reload keeps the talk and what was typed. */
export function ReleaseNotice({ following, answering, onClose }: Props) {
  const { notice, newerPage } = following;
  return (
    <div role="status" className="notice-place">
      {notice !== null && (
        <div className="notice">
          <p>
            Release <code>{shortName(notice.release) || "without a name"}</code>
            {notice.label ? ` (${notice.label})` : ""} took over.{" "}
            <span className="wide">{newerPage ? "This page has a newer version." : "Nothing for you to do."}</span>
          </p>
          {newerPage && (
            <button type="button" disabled={answering} onClick={() => location.reload()}>
              Reload
            </button>
          )}
          <button type="button" className="close" onClick={onClose}>
            <svg viewBox="0 0 20 20" aria-hidden="true">
              <path d="m5.5 5.5 9 9m0-9-9 9" />
            </svg>
            <span className="unseen">Close notice</span>
          </button>
        </div>
      )}
    </div>
  );
}
