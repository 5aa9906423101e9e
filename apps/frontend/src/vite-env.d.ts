/// <reference types="vite/client" />

/** The version in package.json, put in by the build. */
declare const __VERSION__: string;

interface ImportMetaEnv {
  /** The page's own label, given to its build; the running release's label goes before it. */
  readonly VITE_LABEL?: string;
}
