/** The page's configuration, with this checkout's schema and folders in place of an app's. */
import type { CodegenConfig } from "@graphql-codegen/cli";
import page from "./page/codegen";

const { "src/gql/": gql } = page.generates as Record<string, object>;

export default {
  ...page,
  schema: "../../schema.graphql",
  documents: ["page/*.ts", "!page/relay*.ts"],
  generates: { "page/gql/": gql },
} as CodegenConfig;
