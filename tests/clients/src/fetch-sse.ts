import { post, Refused } from "../page/ask";
import { watchRun } from "../page/stream";
import { describe, plain } from "./plain";
import { drain, MISSPELT, serve } from "./remote";

serve((url, headers) => {
  const service = { url, headers };
  return {
    ...plain(service),
    watch: (id, after, sink) => void drain(watchRun(service, id, after), sink),
    misspell: async (id, sink) => {
      const body = { query: MISSPELT, variables: { id } };
      const response = await post(service, "text/event-stream", body);
      const data = /^data: (.*)$/m.exec(await response.text())?.[1] ?? "{}";
      sink.error(new Refused(JSON.parse(data).errors, response.status));
    },
  };
}, describe);
