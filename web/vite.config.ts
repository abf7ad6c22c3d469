// Builds the page and its hashed assets: dist/graphiql.html, which Django serves at /graphql, and
// dist/web/, which it serves under /static/web/.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/",
  publicDir: false,
  build: {
    assetsDir: "web",
    assetsInlineLimit: 0, // the page's policy allows files of its own, not data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4_000, // Monaco, the editor, is that big
    rolldownOptions: {
      input: "graphiql.html",
      checks: { moduleLevelDirective: false }, // "use client" and the like, for servers
    },
  },
});
