/** Apollo Client; its two transports differ in the link alone. */
import { CombinedGraphQLErrors, gql, type ApolloClient } from "@apollo/client";
import * as use from "../page/apollo-use";
import { describe } from "./plain";
import { MISSPELT, serve, type Sink } from "./remote";

export function apollo(connect: (url: string, headers: () => Record<string, string>) => ApolloClient) {
  serve(
    (url, headers) => {
      const client = connect(url, headers);
      const follow = (results: ReturnType<typeof client.subscribe>, sink: Sink) => {
        let isOver = false;
        results.subscribe({
          next: ({ data, error }) => {
            if (error) {
              isOver = true;
              sink.error(error);
            } else sink.next((data as { run?: unknown }).run ?? null);
          },
          error: sink.error,
          complete: () => isOver || sink.complete(),
        });
      };
      return {
        start: (text) => use.startCount(client, text),
        cancel: (id) => use.cancelRun(client, id),
        watch: (id, after, sink) => follow(use.watchRun(client, id, after), sink),
        misspell: (id, sink) =>
          follow(client.subscribe({ query: gql(MISSPELT), variables: { id } }), sink),
      };
    },
    (error) => {
      if (CombinedGraphQLErrors.is(error)) return error.errors;
      const code = use.codeOf(error);
      return code ? [{ extensions: { code } }] : describe(error);
    },
  );
}
