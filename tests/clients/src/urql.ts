/** urql; its two transports differ in the exchanges alone. */
import { CombinedError, gql, type Client, type OperationResultSource } from "@urql/core";
import { onEnd, pipe, subscribe } from "wonka";
import * as use from "../page/urql-use";
import { describe } from "./plain";
import { MISSPELT, serve, type Sink } from "./remote";

export function urql(connect: (url: string, headers: () => Record<string, string>) => Client) {
  serve(
    (url, headers) => {
      const client = connect(url, headers);
      const follow = (results: OperationResultSource<any>, sink: Sink) => {
        let isOver = false;
        pipe(
          results,
          onEnd(() => isOver || sink.complete()),
          subscribe(({ data, error }) => {
            if (isOver) return;
            if (error) {
              isOver = true;
              sink.error(error);
            } else sink.next(data?.run ?? null);
          }),
        );
      };
      return {
        start: (text) => use.startCount(client, text),
        cancel: (id) => use.cancelRun(client, id),
        watch: (id, after, sink) => follow(use.watchRun(client, id, after), sink),
        misspell: (id, sink) => follow(client.subscription(gql(MISSPELT), { id }), sink),
      };
    },
    (error) => {
      const code = error instanceof CombinedError && use.codeOf(error);
      return code ? [{ extensions: { code } }] : describe(error);
    },
  );
}
