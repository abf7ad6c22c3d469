/** One trial of a cache: what it may use, and how it fails. */
import { deepStrictEqual } from "node:assert";
import { writeFileSync } from "node:fs";
import { format, inspect } from "node:util";
import { WebSocket } from "ws";
import { headers, signIn } from "../page/auth";

const sockets: WebSocket[] = [];

class Cuttable extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols);
    sockets.push(this);
  }
}

Object.assign(globalThis, { WebSocket: Cuttable }); // browsers have one, and Node from 22 on

export const equal: (found: unknown, wanted: unknown, why?: string) => void = deepStrictEqual;

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(holds: () => unknown, seconds = 20): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !holds(); await pause(20)) {
    if (Date.now() > end) throw new Error(`This did not come to be: ${holds}`);
  }
}

interface Trial {
  url: string;
  headers: () => Record<string, string>;
  /** The text of a run that works until its gate is opened. */
  gate: (name: string, open?: true) => string;
  /** How many requests there were. */
  requests: () => number;
  /** Cuts all sockets, as a lost network does. */
  cut: () => void;
}

/** Runs a trial; it fails by a line on stdout, and by whatever a library complains of. */
export async function tried(work: (trial: Trial) => Promise<void>): Promise<void> {
  const [url = "", token = "", folder = ""] = process.argv.slice(2);
  signIn(token);
  let requests = 0;
  const real = fetch;
  globalThis.fetch = (...request) => (requests++, real(...request));
  const complaints: string[] = [];
  console.warn = console.error = (...words) => void complaints.push(format(...words));
  const gates = new Set<string>();
  const open = (path: string) => writeFileSync(path, "");
  try {
    await work({
      url,
      headers,
      gate(name, isOpen) {
        const path = `${folder}/${name}`;
        gates.add(path);
        if (isOpen) open(path);
        return `${path}\nto be or not to be`;
      },
      requests: () => requests,
      cut: () => sockets.forEach((socket) => socket.terminate()),
    });
  } catch (error) {
    complaints.push(inspect(error));
  }
  gates.forEach(open);
  process.stdout.write(complaints.join("\n"), () => process.exit(complaints.length && 1));
}
