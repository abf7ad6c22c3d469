/** Makes one program of each client in src/, as a bundler makes it of an app. */
import { readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";

/** What Relay's Babel plugin does: a `graphql` text becomes the artifact of relay-compiler. */
const relay = {
  name: "relay",
  setup: ({ onLoad }) =>
    onLoad({ filter: /page\/relay.*\.ts$/ }, ({ path }) => {
      const imports = [];
      const tag = /graphql`\s*(?:query|mutation|subscription|fragment)\s+(\w+)[^`]*`/g;
      const text = readFileSync(path, "utf8").replace(tag, (_, name) => {
        imports.push(`import ${name}Artifact from "./__generated__/${name}.graphql";\n`);
        return `${name}Artifact`;
      });
      return { contents: imports.join("") + text, loader: "ts" };
    }),
};

const libraries = ["trial.ts", "remote.ts", "plain.ts", "apollo.ts", "urql.ts"];
const programs = readdirSync("src").filter(
  (name) => name.endsWith(".ts") && !libraries.includes(name),
);
await build({
  entryPoints: programs.map((name) => `src/${name}`),
  outdir: "build",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  mainFields: ["module", "main"],
  conditions: ["development"],
  define: { "process.env.NODE_ENV": '"development"' },
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  plugins: [relay],
  logLevel: "warning",
});
