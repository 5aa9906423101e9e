import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import packageJson from "./package.json" with { type: "json" };

const label = process.env["VITE_LABEL"] ?? "";

/**
 * Writes `page.json` beside the page: `{version, label, entry}`. `entry` is the hashed name of the first script, so
 * an open page can ask whether the server now has another one. No time of build: equal sources make equal bundles.
 */
function pageFile(): Plugin {
  return {
    name: "page-file",
    apply: "build",
    generateBundle(_options, bundle) {
      const entry = Object.values(bundle).find((part) => part.type === "chunk" && part.isEntry);
      const source = JSON.stringify({ version: packageJson.version, label, entry: entry?.fileName ?? "" });
      this.emitFile({ type: "asset", fileName: "page.json", source: `${source}\n` });
    },
  };
}

/** Where the backend listens while the page is developed with `npm run dev`. */
const backend = process.env["API_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), pageFile()],
  define: { __VERSION__: JSON.stringify(packageJson.version) },
  build: {
    target: "es2022",
    // The dialog's chunk must stay a file of its own, and a page must not guess at polyfills for it.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  server: { host: "127.0.0.1", proxy: { "/chat": backend, "/version": backend } },
  test: { include: ["tests/**/*.test.ts"], environment: "node", testTimeout: 10_000 },
});
