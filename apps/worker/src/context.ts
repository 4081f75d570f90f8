/** Wires the worker from its configuration: registers, starts the engine, serves. */
import { isIPv6 } from 'node:net';
import path from 'node:path';
import type { NodeCapacity } from '@blyan/protocol/node';
import { BlobStore } from '@blyan/store/blob-store';
import { pino } from 'pino';
import { serveBlobs } from './blob-server.ts';
import { memorySpeed, usableMemory } from './capacity.ts';
import type { Config } from './config.ts';
import type { EngineClientOptions } from './engine/client.ts';
import { engineStarter } from './engine-process.ts';
import { pinGenesis, pinnedGenesis } from './genesis-pin.ts';
import { Membership } from './membership.ts';
import { WorkerNode } from './node.ts';
import { keptNodeId } from './node-id.ts';
import { keptNodeKey } from './node-key.ts';
import type { WorkerReport } from './report.ts';
import { VERSION } from './version.ts';
import type { Watch } from './watch.ts';

export interface ContextDeps {
  engine: EngineClientOptions;
  /** Ends the first registration. */
  signal: AbortSignal;
  watch: Watch;
}

export async function createContext(config: Config, { engine, signal, watch }: ContextDeps) {
  const logger = pino({ level: config.logLevel, base: { app: 'worker' } });
  const { mainUrl, apiKey, workerDir, blobDir, listen } = config;
  const nodeId = config.nodeId ?? (await keptNodeId(workerDir));
  const key = await keptNodeKey(workerDir);
  const pinned = config.genesis ?? (await pinnedGenesis(workerDir));
  let drain = (): void => undefined;
  const drainAsked = new Promise<void>((resolve) => {
    drain = resolve;
  });
  let renewed = (): void => undefined;
  const membership = await Membership.join(
    { mainUrl, apiKey, genesis: pinned, nodeId, key },
    { logger, signal, onDrain: drain, onRenewed: () => renewed() },
  );
  const { genesis, heartbeatMs, connect } = membership;
  if (pinned === null) {
    await pinGenesis(workerDir, genesis);
    logger.warn(
      { genesis },
      'no genesis hash was given: pinned to the network that answered first',
    );
  }
  let served: AsyncDisposable | null = null;
  try {
    if (config.serve) served = await serveBlobs(config.serve, blobDir, logger);
    const node = await WorkerNode.start(
      {
        nodeId,
        heartbeatMs,
        slots: config.slots,
        capacity: capacityOf(config),
        key: key.pem,
        ...(listen ? { listen } : {}),
      },
      {
        engine: (assigned) =>
          engineStarter(engine, () => ({
            genesis,
            mainUrl,
            sources: config.blobSources,
            storeDir: blobDir,
            checkpointDir: path.join(workerDir, 'checkpoints'),
            assigned: assigned(),
            threads: config.threads,
            slots: config.slots,
            kv: config.kv,
            kvBytes: config.kvBytes,
            diskBytes: config.diskBytes,
          })),
        connect,
        redis: () => membership.redis,
        observe: watch.see,
        logger,
      },
    );
    renewed = () => node.renewed();
    return {
      logger,
      node,
      /** How this worker is now. */
      async report(): Promise<WorkerReport> {
        return {
          nodeId,
          pid: process.pid,
          version: VERSION,
          main: mainUrl,
          genesis,
          startedAt: watch.startedAt,
          renewedAt: membership.renewedAt,
          clockAheadMs: membership.clockAheadMs,
          connected: node.connected,
          running: node.running,
          tokens: watch.tokens,
          done: watch.done,
          failed: watch.failed,
          blobBytes: await blobBytes(blobDir),
          blobCapBytes: config.diskBytes || null,
          node: watch.status,
        };
      },
      /** Resolves when an admin or the coordinator wants this node to drain. */
      askedToDrain: () => Promise.race([drainAsked, node.askedToDrain()]),
      /** Rejects when the main node refuses this worker for good. */
      ended: membership.ended,
      async [Symbol.asyncDispose]() {
        await node[Symbol.asyncDispose]();
        await membership[Symbol.asyncDispose]();
        await served?.[Symbol.asyncDispose]();
        logger.info({}, 'worker has stopped');
      },
    };
  } catch (error) {
    await membership[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the blobs of a directory take on disk. */
async function blobBytes(dir: string): Promise<number> {
  const blobs = await (await BlobStore.open(dir)).list();
  return blobs.reduce((sum, { bytes }) => sum + bytes, 0);
}

function capacityOf(config: Config): NodeCapacity {
  const { serve, blobUrl, listen, addresses } = config;
  const reachable =
    addresses.length === 0 && listen ? [`${listen.host}:${listen.port}`] : addresses;
  const url = blobUrl ?? (serve ? `http://${inUrl(serve.host)}:${serve.port}` : null);
  return {
    memoryBytes: config.memoryBytes || usableMemory(),
    weightBytesPerSecond: memorySpeed(),
    addresses: reachable,
    ...(url === null ? {} : { blobUrl: url }),
  };
}

const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);
