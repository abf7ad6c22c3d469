// A BullMQ worker that keeps the row up to date.
import { Worker } from "bullmq";
import { QUEUE, TABLE, connection, pool } from "./shared.js";

const START = {
  name: "start",
  text: "UPDATE run SET status = 'RUNNING', started_at = now() WHERE id = $1",
};
const FINISH = {
  name: "finish",
  text: "UPDATE run SET status = 'SUCCEEDED', result = $2, finished_at = now() WHERE id = $1",
};

await pool.query(TABLE);
const worker = new Worker(
  QUEUE,
  async ({ data: { id, text } }) => {
    await pool.query({ ...START, values: [id] });
    const words = text.split(/\s+/).filter(Boolean);
    const longest = words.reduce((a, b) => (b.length > a.length ? b : a), "");
    await pool.query({ ...FINISH, values: [id, { words: words.length, longest }] });
  },
  { connection, concurrency: 4 },
);
await worker.waitUntilReady();
console.log("ready");
