/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { edition } from "./scripts/edition.ts";
import { colours, first, firstChunk } from "./scripts/first.ts";
import { fonts } from "./scripts/fonts.ts";
import { offline } from "./scripts/offline.ts";

export default defineConfig(({ mode }) => ({
  // The static build runs from any folder of any host.
  base: mode === "static" ? "./" : "/",
  plugins: [
    react(),
    fonts(),
    colours(),
    mode === "static" ? first("./", null) : first("/", /\/src\/app\/socket\.ts$/),
    offline(),
    ...(mode === "static" ? [edition()] : []),
  ],
  build: {
    outDir: mode === "static" ? "dist/static" : "../src/corral/web_dist",
    emptyOutDir: true,
    target: "es2023",
    chunkSizeWarningLimit: 1_000,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: "index.html", sw: "src/shell/sw.ts" },
      output: {
        entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
        codeSplitting: { groups: [{ name: firstChunk, debugName: "first" }], includeDependenciesRecursively: false },
      },
    },
  },
  worker: { format: "es" },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:3000",
      "/llamaproxws": { target: "http://127.0.0.1:3000", ws: true },
    },
  },
  test: { environment: "node", include: ["src/**/*.test.ts"], testTimeout: 30_000 },
}));
