/** What clients without queries and mutations of their own do by fetch. */
import { ask, Refused, type Service } from "../page/ask";
import { CancelRun } from "../page/documents";
import { startCount } from "../page/start";

export const plain = (service: Service) => ({
  start: (text: string) => startCount(service, text),
  cancel: (id: string) => ask(service, CancelRun, { id }),
});

/** Throws what is refused, as the page's own iterations do. */
export async function* unrefused(results: AsyncIterable<{ data?: unknown; errors?: unknown }>) {
  for await (const { data, errors } of results) {
    if (errors) throw errors;
    yield data;
  }
}

export const describe = (error: unknown): unknown => {
  if (error instanceof Refused) return error.errors;
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  if (Array.isArray(error)) return error;
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  return `${String(code)} ${String(reason)}`;
};
