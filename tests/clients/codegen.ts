/** The page's configuration, with this checkout's schema and folders in place of an app's. */
import type { CodegenConfig } from "@graphql-codegen/cli";
import page from "./page/codegen";

const generates = Object.entries(page.generates).map(([path, output]) => [
  path.replace("src/", "page/"),
  output,
]);

export default {
  ...page,
  schema: "../../schema.graphql",
  documents: ["page/*.ts", "!page/relay*.ts"],
  generates: Object.fromEntries(generates),
} as CodegenConfig;
