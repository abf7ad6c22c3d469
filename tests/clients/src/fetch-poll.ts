import { parse } from "graphql";
import { ask } from "../page/ask";
import { watchRun } from "../page/poll";
import { describe, plain } from "./plain";
import { drain, MISSPELT, serve } from "./remote";

serve((url, headers) => {
  const service = { url, headers };
  return {
    ...plain(service),
    watch: (id, after, sink) => void drain(watchRun(service, id, after), sink),
    misspell: (id, sink) => {
      const document = parse(MISSPELT.replace("subscription", "query"));
      ask(service, document, { id }).then(sink.next, sink.error);
    },
  };
}, describe);
