// Fastify and Mercurius with its JIT compiler: a row in PostgreSQL, then a job for BullMQ.
import { Queue } from "bullmq";
import Fastify from "fastify";
import mercurius from "mercurius";
import { randomUUID } from "node:crypto";
import { QUEUE, TABLE, connection, pool } from "./shared.js";

const schema = `
  type Run { id: ID! status: String! result: String createdAt: String! }
  type Query { run(id: ID!): Run runs(first: Int!, before: String): [Run!]! }
  type Mutation { countWords(text: String!): Run! }`;

const COLUMNS = 'id, status, result::text, created_at::text AS "createdAt"';
const INSERT = {
  name: "insert",
  text: `INSERT INTO run (id, status, input) VALUES ($1, 'QUEUED', $2) RETURNING ${COLUMNS}`,
};
const ONE = { name: "one", text: `SELECT ${COLUMNS} FROM run WHERE id = $1` };
const SOME = {
  name: "some",
  text: `SELECT ${COLUMNS} FROM run WHERE $2::timestamptz IS NULL OR created_at < $2
    ORDER BY created_at DESC LIMIT $1`,
};

const queue = new Queue(QUEUE, { connection });
const resolvers = {
  Query: {
    run: async (_, { id }) => (await pool.query({ ...ONE, values: [id] })).rows[0],
    runs: async (_, { first, before }) =>
      (await pool.query({ ...SOME, values: [first, before ?? null] })).rows,
  },
  Mutation: {
    countWords: async (_, { text }) => {
      const id = randomUUID();
      const { rows } = await pool.query({ ...INSERT, values: [id, { text }] });
      await queue.add("countWords", { id, text }, { removeOnComplete: true });
      return rows[0];
    },
  },
};

await pool.query(TABLE);
await pool.query("CREATE INDEX IF NOT EXISTS run_created ON run (created_at DESC)");
const app = Fastify();
app.register(mercurius, { schema, resolvers, jit: 1, path: "/graphql" });
await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
console.log("ready");
