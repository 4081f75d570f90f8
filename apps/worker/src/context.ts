/** Wires the worker from its configuration: registers, starts the engine, serves. */
import path from 'node:path';
import { BlobStore } from '@blyan/store/blob-store';
import { pino } from 'pino';
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
  const { mainUrl, apiKey, workerDir } = config;
  const nodeId = config.nodeId ?? (await keptNodeId(workerDir));
  const key = await keptNodeKey(workerDir);
  const pinned = config.genesis ?? (await pinnedGenesis(workerDir));
  let drain = (): void => undefined;
  const drainAsked = new Promise<void>((resolve) => {
    drain = resolve;
  });
  const membership = await Membership.join(
    { mainUrl, apiKey, genesis: pinned, nodeId, key },
    { logger, signal, onDrain: drain },
  );
  const { genesis, heartbeatMs, connect } = membership;
  if (pinned === null) {
    await pinGenesis(workerDir, genesis);
    logger.warn(
      { genesis },
      'no genesis hash was given: pinned to the network that answered first',
    );
  }
  try {
    const startEngine = engineStarter(engine, {
      genesis,
      mainUrl,
      sources: config.blobSources,
      storeDir: config.blobDir,
      checkpointDir: path.join(workerDir, 'checkpoints'),
      ...(config.model === null ? {} : { model: config.model }),
      threads: config.threads,
      slots: config.slots,
      kv: config.kv,
      kvBytes: config.kvBytes,
      diskBytes: config.diskBytes,
    });
    const node = await WorkerNode.start(
      { nodeId, heartbeatMs, slots: config.slots },
      { startEngine, connect, observe: watch.see, logger },
    );
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
          blobBytes: await blobBytes(config.blobDir),
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
        logger.info({}, 'worker has stopped');
      },
    };
  } catch (error) {
    await membership[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the blobs of a directory take on disk. */
async function blobBytes(dir: string): Promise<number> {
  const blobs = await (await BlobStore.open(dir)).list();
  return blobs.reduce((sum, { bytes }) => sum + bytes, 0);
}
