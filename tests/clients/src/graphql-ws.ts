import { connect } from "../page/live";
import { watchRun } from "../page/watch-ws";
import { describe, plain, unrefused } from "./plain";
import { drain, MISSPELT, serve } from "./remote";

serve((url, headers) => {
  const live = connect(url, headers);
  return {
    ...plain({ url, headers }),
    watch: (id, after, sink) => void drain(watchRun(live, id, after), sink),
    misspell: (id, sink) => {
      const results = live.iterate({ query: MISSPELT, variables: { id } });
      void drain(unrefused(results), sink);
    },
  };
}, describe);
