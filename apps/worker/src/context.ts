/** Wires the worker from its configuration: registers, starts the engine, serves. */
import path from 'node:path';
import type { NodeCapacity } from '@blyan/protocol/node';
import { pino } from 'pino';
import { serveBlobs } from './blob-server.ts';
import { memorySpeed, usableMemory } from './capacity.ts';
import type { Config } from './config.ts';
import type { EngineClientOptions } from './engine/client.ts';
import { engineStarter } from './engine-process.ts';
import { WorkerNode } from './node.ts';
import { keptNodeId } from './node-id.ts';
import { register } from './register.ts';

export async function createContext(
  config: Config,
  { engine, signal }: { engine: EngineClientOptions; signal: AbortSignal },
) {
  const logger = pino({ level: config.logLevel, base: { app: 'worker' } });
  const nodeId = config.nodeId ?? (await keptNodeId(config.workerDir));
  const { mainUrl, apiKey, genesis } = config;
  const joined = await register({ mainUrl, apiKey, genesis, nodeId }, { logger, signal });
  const { blobDir: storeDir, listen } = config;
  const served = config.serve ? await serveBlobs(config.serve, storeDir, logger) : null;
  try {
    const { redisUrl, heartbeatMs } = joined;
    const node = await WorkerNode.start(
      {
        nodeId: joined.nodeId,
        redisUrl,
        heartbeatMs,
        slots: config.slots,
        capacity: capacityOf(config),
        ...(listen ? { listen } : {}),
      },
      {
        engine: (assigned) =>
          engineStarter(engine, () => ({
            genesis,
            mainUrl,
            sources: config.blobSources,
            storeDir,
            checkpointDir: path.join(config.workerDir, 'checkpoints'),
            assigned: assigned(),
            threads: config.threads,
            slots: config.slots,
            kv: config.kv,
            kvBytes: config.kvBytes,
          })),
        logger,
      },
    );
    return {
      node,
      async [Symbol.asyncDispose]() {
        await node[Symbol.asyncDispose]();
        await served?.[Symbol.asyncDispose]();
        logger.info({}, 'worker has stopped');
      },
    };
  } catch (error) {
    await served?.[Symbol.asyncDispose]();
    throw error;
  }
}

function capacityOf(config: Config): NodeCapacity {
  const { serve, blobUrl, listen, addresses } = config;
  const reachable =
    addresses.length === 0 && listen ? [`${listen.host}:${listen.port}`] : addresses;
  const url = blobUrl ?? (serve ? `http://${serve.host}:${serve.port}` : null);
  return {
    memoryBytes: config.memoryBytes || usableMemory(),
    weightBytesPerSecond: memorySpeed(),
    addresses: reachable,
    ...(url === null ? {} : { blobUrl: url }),
  };
}
