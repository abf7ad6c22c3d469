import type { GraphQLResponse } from "relay-runtime";
import { connect } from "../page/relay";
import { cancelRun, startCount, watchRun } from "../page/relayRun";
import { describe } from "./plain";
import { MISSPELT, serve } from "./remote";

serve((url, headers) => {
  const environment = connect(url, headers);
  return {
    start: (text) => startCount(environment, text),
    cancel: async (id) => void cancelRun(environment, id),
    watch: (id, afterRevision, sink) =>
      void watchRun(
        environment,
        { id, afterRevision },
        { next: sink.next, onError: sink.error, onCompleted: sink.complete },
      ),
    misspell: (id, sink) => {
      // relay-compiler lets no such text pass, so it goes to the network beneath.
      const request = { name: "Misspelt", text: MISSPELT, cacheID: "", id: null, metadata: {} };
      const parameters = { ...request, operationKind: "subscription" as const };
      environment.getNetwork().execute(parameters, { id }, {}).subscribe({
        next: (response: GraphQLResponse) => sink.next(response),
        error: sink.error,
        complete: sink.complete,
      });
    },
  };
}, describe);
