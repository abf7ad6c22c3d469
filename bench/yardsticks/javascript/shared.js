// The connections and the table that the server and the worker share.
import pg from "pg";

export const QUEUE = "runs";
export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8 });

const redis = new URL(process.env.REDIS_URL);
export const connection = {
  host: redis.hostname,
  port: Number(redis.port),
  db: Number(redis.pathname.slice(1) || 0),
  maxRetriesPerRequest: null,
};

export const TABLE = `CREATE TABLE IF NOT EXISTS run (
  id uuid PRIMARY KEY, status text NOT NULL, input jsonb NOT NULL, result jsonb,
  created_at timestamptz NOT NULL DEFAULT now(), started_at timestamptz, finished_at timestamptz)`;
