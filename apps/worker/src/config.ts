import type { Env } from './env.ts';

export interface Config {
  mainUrl: string;
  apiKey: string;
  /** Pinned hash of chain A's genesis, hex; null: that of the first registration. */
  genesis: string | null;
  /** Null: made once and kept in `workerDir`. */
  nodeId: string | null;
  /** Base URLs of further sources of blobs, behind the main node. */
  blobSources: string[];
  blobDir: string;
  workerDir: string;
  slots: number;
  /** Type of the cached K and V. */
  kv: 'f32' | 'f16';
  /** Of all KV caches; 0 is half of what is free once the model is loaded. */
  kvBytes: number;
  /** 0 is all cores. */
  threads: number;
  /** Most that blobs may take on disk; 0 is what the disk has. */
  diskBytes: number;
  /** Port of Prometheus metrics on loopback; 0 is none. */
  metricsPort: number;
  /** For weights and KV caches; 0 is what the machine has, less a reserve. */
  memoryBytes: number;
  /** Where the stage before this one can connect to; null: through Redis only. */
  listen: Listen | null;
  /** The same as other nodes see it, `host:port`. */
  addresses: string[];
  /** Where verified blobs are served to other nodes. */
  serve: Listen | null;
  /** The same as other nodes see it. */
  blobUrl: string | null;
  logLevel: string;
}

interface Listen {
  host: string;
  port: number;
}

export function toConfig(env: Env): Config {
  return {
    mainUrl: env.BLYAN_MAIN_URL.replace(/\/+$/, ''),
    apiKey: env.BLYAN_API_KEY,
    genesis: env.BLYAN_GENESIS ?? null,
    nodeId: env.BLYAN_NODE_ID ?? null,
    blobSources: env.BLYAN_BLOB_SOURCES,
    blobDir: env.BLYAN_BLOB_DIR,
    workerDir: env.BLYAN_WORKER_DIR,
    slots: env.BLYAN_WORKER_SLOTS,
    kv: env.BLYAN_WORKER_KV,
    kvBytes: env.BLYAN_WORKER_KV_MB * 2 ** 20,
    threads: env.BLYAN_WORKER_THREADS,
    diskBytes: env.BLYAN_WORKER_DISK_MB * 2 ** 20,
    metricsPort: env.BLYAN_WORKER_METRICS_PORT,
    memoryBytes: env.BLYAN_WORKER_MEMORY_MB * 2 ** 20,
    listen: env.BLYAN_WORKER_LISTEN ?? null,
    addresses: env.BLYAN_WORKER_ADDRESSES,
    serve: env.BLYAN_WORKER_SERVE ?? null,
    blobUrl: env.BLYAN_WORKER_BLOB_URL ?? null,
    logLevel: env.BLYAN_LOG_LEVEL,
  };
}
