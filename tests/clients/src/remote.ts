/**
 * Lets a test work a client from afar: commands come as lines of JSON on stdin, and what the client
 * says goes out as lines on stdout. The judging is done by the test, the same for all clients.
 */
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

Object.assign(globalThis, { WebSocket }); // browsers have it, and Node from 22 on

export interface Sink {
  next(run: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

/** One user's client of one service. */
export interface Client {
  start(text: string): Promise<{ run?: { id: string } | null; errors: unknown }>;
  watch(id: string, afterRevision: number | undefined, sink: Sink): void;
  cancel(id: string): Promise<unknown>;
  /** Watches with a document that asks for an unknown field. */
  misspell(id: string, sink: Sink): void;
}

export type Open = (url: string, headers: () => Record<string, string>) => Client;

interface Command {
  id: number;
  client: string;
  do: "open" | "start" | "watch" | "cancel" | "misspell";
  url: string;
  token: string | null;
  text: string;
  run: string;
  after?: number;
}

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** The errors as they are, wherever this client's library puts them. */
export type Describe = (error: unknown) => unknown;

export function serve(open: Open, describe: Describe): void {
  const clients = new Map<string, Client>();
  const act = async (command: Command) => {
    const { id } = command;
    const sink: Sink = {
      next: (run) => say({ id, next: run }),
      error: (error) => say({ id, error: describe(error) ?? String(error) }),
      complete: () => say({ id, complete: true }),
    };
    try {
      if (command.do === "open") {
        const { token } = command;
        const headers = (): Record<string, string> =>
          token === null ? {} : { authorization: `Bearer ${token}` };
        clients.set(command.client, open(command.url, headers));
        return say({ id, done: true });
      }
      const client = clients.get(command.client);
      if (!client) throw new Error(`no client ${command.client}`);
      if (command.do === "start") say({ id, done: await client.start(command.text) });
      if (command.do === "cancel") say({ id, done: (await client.cancel(command.run)) ?? true });
      if (command.do === "watch") client.watch(command.run, command.after, sink);
      if (command.do === "misspell") client.misspell(command.run, sink);
    } catch (error) {
      sink.error(error);
    }
  };
  createInterface({ input: process.stdin })
    .on("line", (line) => void act(JSON.parse(line)))
    .on("close", () => process.exit());
}

/** Sends what an iteration gives to a sink. */
export async function drain(runs: AsyncIterable<unknown>, sink: Sink): Promise<void> {
  try {
    for await (const run of runs) sink.next(run);
    sink.complete();
  } catch (error) {
    sink.error(error);
  }
}

export const MISSPELT = "subscription($id: ID!) { run(id: $id) { id revsion } }";
