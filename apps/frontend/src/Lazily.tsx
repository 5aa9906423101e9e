import { Component, type ReactNode, Suspense } from "react";
import { Dialog } from "./Dialog";

interface Props {
  readonly what: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** Shows a part that is loaded on demand; if it cannot be loaded, says so instead of taking the page down. */
export class Lazily extends Component<Props, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return <Suspense fallback={null}>{this.props.children}</Suspense>;
    return (
      <Dialog title={this.props.what} onClose={this.props.onClose}>
        <p>
          This part of the page could not be loaded. Your conversation and what you typed are kept if you{" "}
          <button type="button" className="inline" onClick={() => location.reload()}>
            reload the page
          </button>
          .
        </p>
      </Dialog>
    );
  }
}
