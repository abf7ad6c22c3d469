import { connect } from "../page/sse";
import { watchRun } from "../page/watch-sse";
import { describe, plain, unrefused } from "./plain";
import { drain, MISSPELT, serve } from "./remote";

serve((url, headers) => {
  const sse = connect(url, headers);
  return {
    ...plain({ url, headers }),
    watch: (id, after, sink) => void drain(watchRun(sse, id, after), sink),
    misspell: (id, sink) => {
      const results = sse.iterate({ query: MISSPELT, variables: { id } });
      void drain(unrefused(results), sink);
    },
  };
}, describe);
