/** The running coordinator: connects the dispatch to queues, streams, tables and time. */
import type { PrismaClient } from '@blyan/db/client';
import { AnswerReader } from '@blyan/queue/answer-reader';
import { AnswerWriter } from '@blyan/queue/answer-stream';
import { writeCluster } from '@blyan/queue/cluster';
import { connect, disconnect } from '@blyan/queue/connection';
import { ControlSubscription, tellNode } from '@blyan/queue/control';
import { IntakeWorker } from '@blyan/queue/intake';
import { NodeQueues } from '@blyan/queue/node-queue';
import { NodeStreamReader } from '@blyan/queue/node-reader';
import { assignAll } from './assign-all.ts';
import { Coordinator } from './coordinator.ts';
import { NODE_FORGOTTEN_MS, POLL_MS, STATUS_MS, SWEEP_BATCH, SWEEP_MS, TICK_MS } from './limits.ts';
import type { Logger } from './logger.ts';
import { every } from './loops.ts';
import { NodeRegistry } from './nodes.ts';
import { RequestStore } from './request-store.ts';
import type { Models } from './served-model.ts';
import { TickClock } from './tick-clock.ts';

export interface ServiceOptions {
  redisUrl: string;
  retentionMs: number;
  /** Name of the model that workers are to hold; null: the newest that is not retired. */
  model?: string | null;
  /** Tests shorten these. */
  nodeLostMs?: number;
  noNodeGraceMs?: number;
}

export interface ServiceDeps {
  db: PrismaClient;
  models: Models;
  logger: Logger;
}

/** Starts everything; disposing stops it and leaves what runs to the next start. */
export async function startService(
  options: ServiceOptions,
  { db, models, logger }: ServiceDeps,
): Promise<AsyncDisposable> {
  const { redisUrl: url, retentionMs } = options;
  const stack: (() => Promise<unknown>)[] = [];
  const owned = <T extends AsyncDisposable>(resource: T): T => {
    stack.push(async () => resource[Symbol.asyncDispose]());
    return resource;
  };
  const close = async () => {
    for (const step of stack.splice(0).reverse()) {
      await step().catch((error: Error) => {
        logger.warn({ problem: error.message }, 'a part did not stop cleanly');
      });
    }
  };
  try {
    const redis = connect(url, { name: 'coordinator', logger });
    stack.push(() => disconnect(redis));
    const store = new RequestStore({ db });
    const writer = new AnswerWriter({ redis, ttlMs: retentionMs });
    const reader = owned(AnswerReader.open({ url, logger }));
    const queues = owned(new NodeQueues({ redis, logger }));
    const nodes = new NodeRegistry(
      options.nodeLostMs === undefined ? {} : { lostMs: options.nodeLostMs },
    );
    const coordinator = new Coordinator(
      {
        store,
        writer,
        reader,
        queues,
        nodes,
        models,
        logger,
        tellNode: (nodeId, message) => tellNode(redis, nodeId, message),
      },
      options.noNodeGraceMs === undefined ? {} : { noNodeGraceMs: options.noNodeGraceMs },
    );
    stack.push(() => coordinator.stop());

    const streams = owned(NodeStreamReader.open({ url, logger }));
    const followed = async (nodeId: string) => {
      nodes.add(nodeId);
      await streams.add(nodeId, redis);
    };
    const poll = async () => {
      for (const id of await store.nodeIds(new Date(Date.now() - NODE_FORGOTTEN_MS))) {
        await followed(id);
      }
      for (const id of await store.cancelledIds()) coordinator.cancel(id);
      await coordinator.recover();
    };
    await poll();
    const stop = new AbortController();
    const reading = readNodes({ streams, coordinator, logger }, stop.signal);
    stack.push(async () => {
      stop.abort();
      await reading;
    });

    const ticks = new TickClock(redis, nodes);
    owned(every(POLL_MS, 'poll', logger, poll));
    owned(
      every(TICK_MS, 'tick', logger, () => {
        ticks.before();
        coordinator.tick();
      }),
    );
    const assign = assignAll({ db, redis, nodes, models, modelName: options.model ?? null });
    owned(every(TICK_MS, 'assign', logger, assign));
    owned(
      every(STATUS_MS, 'status', logger, async () => {
        await writeCluster(redis, coordinator.status());
      }),
    );
    const sweep = async () => {
      const ids = [...nodes.all()].map(({ id }) => id);
      await streams.trim(redis);
      for (const id of ids) {
        await queues.sweep(id, (request, attempt) => coordinator.wants(request, attempt));
      }
      const alive = coordinator.status().nodes.filter((node) => node.alive);
      await store.nodesSeen(alive.map(({ id }) => id));
      await purge(store, writer, new Date(Date.now() - retentionMs));
    };
    const sweeping = owned(every(SWEEP_MS, 'sweep', logger, sweep));
    void sweeping.now();

    owned(
      await ControlSubscription.coordinator({ url, logger }, (message) => {
        if (message.type === 'cancel') coordinator.cancel(message.requestId);
        else void followed(message.nodeId).catch(() => undefined);
      }),
    );
    const intake = connect(url, { name: 'coordinator:intake', logger });
    stack.push(() => disconnect(intake));
    owned(new IntakeWorker({ redis: intake, logger }, (id) => coordinator.take(id)));
    return { [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Reading {
  streams: NodeStreamReader;
  coordinator: Coordinator;
  logger: Logger;
}

async function readNodes({ streams, coordinator, logger }: Reading, stop: AbortSignal) {
  for await (const batch of streams.batches(stop)) {
    try {
      coordinator.handle(batch);
    } catch (error) {
      const { message, stack } = error as Error;
      logger.error({ problem: message, stack }, 'events of nodes could not be handled');
    }
  }
}

/** Deletes ended requests with all that was kept of them. */
async function purge(store: RequestStore, writer: AnswerWriter, before: Date): Promise<void> {
  for (;;) {
    const ids = await store.purge(before, SWEEP_BATCH);
    await writer.remove(ids);
    if (ids.length < SWEEP_BATCH) return;
  }
}
