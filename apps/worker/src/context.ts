/** Wires the worker from its configuration: registers, starts the engine, serves. */
import path from 'node:path';
import { pino } from 'pino';
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
  const startEngine = engineStarter(engine, {
    genesis,
    mainUrl,
    sources: config.blobSources,
    storeDir: config.blobDir,
    checkpointDir: path.join(config.workerDir, 'checkpoints'),
    ...(config.model === null ? {} : { model: config.model }),
    threads: config.threads,
    slots: config.slots,
    kv: config.kv,
    kvBytes: config.kvBytes,
  });
  const { redisUrl, heartbeatMs } = joined;
  const node = await WorkerNode.start(
    { nodeId: joined.nodeId, redisUrl, heartbeatMs, slots: config.slots },
    { startEngine, logger },
  );
  return {
    node,
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      logger.info({}, 'worker has stopped');
    },
  };
}
