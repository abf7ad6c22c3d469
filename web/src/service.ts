// Speaks to the service for the page: queries and mutations by HTTP, subscriptions by WebSocket.
import type { GraphiQLProps } from "graphiql";
import { getOperationAST, type OperationDefinitionNode, parse } from "graphql";
import { createClient } from "graphql-ws";

type Fetcher = GraphiQLProps["fetcher"];
type Params = Parameters<Fetcher>[0];
type Fault = { message: string; extensions?: { code?: string } };
type Answer = { data?: unknown; errors?: Fault[] };

const ADDRESS = location.origin + location.pathname; // the same for every transport
const TOKEN = "downbeat:token";

export const token = {
  get: () => sessionStorage.getItem(TOKEN), // it goes when the browser's tab is closed
  keep: (value: string) => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
};

/** Who is signed in, if anybody; what went wrong, if anything. */
export type Session = { name: string | null; fault?: string };

/** Signs in with this token, or else with the browser's session; a refused token is forgotten. */
export async function signIn(bearer: string | null): Promise<Session> {
  const { data, errors } = await post({ query: "{ viewer { displayName } }" }, bearer);
  const fault = errors?.[0];
  if (bearer && fault?.extensions?.code !== "UNAUTHENTICATED") {
    token.keep(bearer);
  } else {
    token.forget();
  }
  if (fault) {
    return { name: null, fault: fault.message };
  }
  const { viewer } = data as { viewer: { displayName: string } | null };
  return { name: viewer?.displayName ?? null };
}

/** How GraphiQL sends its operations; `onIntrospection` hears why the schema cannot be read, if so. */
export function makeFetcher(onIntrospection: (fault: string | null) => void): Fetcher {
  return async (given, options) => {
    const operation = find(given);
    const named = operation ? { ...given, operationName: operation.name?.value ?? null } : given;
    const params = await fillNewestRun(named, operation);
    if ("errors" in params) {
      return params as never; // GraphiQL's type knows only errors of its own class
    }
    if (operation?.operation === "subscription") {
      return subscribe(params);
    }
    const answer = await post(params, token.get(), options?.headers);
    if (params.operationName === "IntrospectionQuery") {
      onIntrospection(answer.errors?.[0]?.message ?? null);
    }
    return answer as never;
  };
}

/** The operation to run. Just after a change of tab GraphiQL still gives the last tab's name. */
function find({ query, operationName }: Params): OperationDefinitionNode | null {
  try {
    const tree = parse(query);
    return getOperationAST(tree, operationName) ?? getOperationAST(tree) ?? null;
  } catch {
    return null; // what is wrong with it, the service says better
  }
}

/** The params with the variable `$newestRun`, if it is declared and no value is given. */
async function fillNewestRun(
  params: Params,
  operation: OperationDefinitionNode | null,
): Promise<Params | { errors: Fault[] }> {
  const declared = operation?.variableDefinitions?.map((each) => each.variable.name.value);
  if (!declared?.includes("newestRun") || params.variables?.newestRun) {
    return params;
  }
  const { data, errors } = await post(
    { query: "{ runs(first: 1) { nodes { id } } }" },
    token.get(),
  );
  if (errors) {
    return { errors };
  }
  const [newest] = (data as { runs: { nodes: { id: string }[] } }).runs.nodes;
  if (!newest) {
    return { errors: [{ message: "You have no run yet: start one in the first tab." }] };
  }
  return { ...params, variables: { ...params.variables, newestRun: newest.id } };
}

async function post(
  params: Params,
  bearer: string | null,
  headers?: Record<string, string>,
): Promise<Answer> {
  const response = await fetch(ADDRESS, {
    method: "POST",
    credentials: "same-origin", // the session of /admin/ signs in too, with this header:
    headers: {
      "Content-Type": "application/json",
      Accept: "application/graphql-response+json, application/json;q=0.9",
      "X-CSRFToken": document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "",
      ...(bearer && { Authorization: `Bearer ${bearer}` }),
      ...headers,
    },
    body: JSON.stringify(params),
  }).catch(() => null);
  const answer: unknown = await response?.json().catch(() => null);
  if (typeof answer === "object" && answer !== null) {
    return answer;
  }
  const fault = response ? `answered with status ${response.status}` : "cannot be reached";
  return { errors: [{ message: `The service ${fault}.` }] };
}

const sockets = createClient({
  url: ADDRESS.replace(/^http/, "ws"),
  connectionParams: () => {
    const bearer = token.get();
    return bearer ? { Authorization: `Bearer ${bearer}` } : {};
  },
  retryAttempts: 0, // a lost connection is said at once; play again
});

/** The answers of a subscription; what breaks it becomes a readable error. */
function subscribe(params: Params) {
  const answers = sockets.iterate(params);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => answers.next().catch((fault: unknown) => Promise.reject(explain(fault))),
    return: () => answers.return?.() ?? Promise.resolve({ done: true, value: undefined }),
  } as never;
}

function explain(fault: unknown): unknown {
  if (fault instanceof CloseEvent) {
    return { message: `The WebSocket was closed: ${fault.reason || `code ${fault.code}`}` };
  }
  if (fault instanceof Event) {
    return { message: "No WebSocket could be opened." };
  }
  return fault instanceof Error ? { message: fault.message } : fault;
}
