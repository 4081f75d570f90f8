/** The running coordinator: connects the dispatch to queues, streams, tables and time. */
import { hostname } from 'node:os';
import type { PrismaClient } from '@blyan/db/client';
import { AnswerReader } from '@blyan/queue/answer-reader';
import { AnswerWriter } from '@blyan/queue/answer-stream';
import { readAssignment, writeAssignment } from '@blyan/queue/assignments';
import { writeCluster } from '@blyan/queue/cluster';
import { connect, disconnect } from '@blyan/queue/connection';
import { ControlSubscription, tellNode } from '@blyan/queue/control';
import { IntakeWorker } from '@blyan/queue/intake';
import { NodeQueues } from '@blyan/queue/node-queue';
import { NodeStreamReader } from '@blyan/queue/node-reader';
import { beginTerm, lastTerm, type Term } from '@blyan/queue/term';
import { Coordinator } from './coordinator.ts';
import { lead } from './leader/lead.ts';
import { Lease } from './leader/lease.ts';
import {
  LEASE_MS,
  LEASE_RENEW_MS,
  NODE_FORGOTTEN_MS,
  POLL_MS,
  STANDBY_MS,
  STATUS_MS,
  SWEEP_BATCH,
  SWEEP_MS,
  TICK_MS,
} from './limits.ts';
import type { Logger } from './logger.ts';
import { every } from './loops.ts';
import { NodeRegistry } from './nodes.ts';
import { RequestStore } from './request-store.ts';
import type { Models } from './served-model.ts';
import { TickClock } from './tick-clock.ts';

export interface ServiceOptions {
  redisUrl: string;
  retentionMs: number;
  /** Tests shorten these. */
  nodeLostMs?: number;
  noNodeGraceMs?: number;
  steadyMs?: number;
  leaseMs?: number;
  renewMs?: number;
}

export interface ServiceDeps {
  db: PrismaClient;
  models: Models;
  logger: Logger;
}

/** Leads, or stands by until it can; disposing stops it and leaves what runs to the next leader. */
export async function startService(
  options: ServiceOptions,
  deps: ServiceDeps,
): Promise<AsyncDisposable> {
  const { db, models, logger } = deps;
  const { leaseMs = LEASE_MS, renewMs = LEASE_RENEW_MS } = options;
  const holder = `${hostname()}/${process.pid}`;
  // Whoever stands by has read the model when it must take over.
  warm(models).catch((error: Error) => {
    logger.warn({ problem: error.message }, 'the model to serve cannot be read');
  });
  const redis = connect(options.redisUrl, { name: 'coordinator:lease', logger, use: 'request' });
  const leading = await lead(
    { standbyMs: STANDBY_MS, renewMs },
    {
      lease: new Lease(db, { holder, ttlMs: leaseMs }),
      logger,
      lastTerm: () => lastTerm(redis),
      serve: (term) => serve(options, { ...deps, term }),
    },
  );
  return {
    async [Symbol.asyncDispose]() {
      await leading[Symbol.asyncDispose]();
      await disconnect(redis);
    },
  };
}

async function warm(models: Models): Promise<void> {
  const hash = await models.wanted();
  if (hash !== null) await models.get(hash);
}

/** What the leader does. */
async function serve(
  options: ServiceOptions,
  { db, models, logger, term }: ServiceDeps & { term: Term },
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
    // First of all: what an earlier leader writes from now on is refused.
    await beginTerm(redis, term);
    const store = new RequestStore({ db, term });
    const writer = new AnswerWriter({ redis, term, ttlMs: retentionMs });
    const reader = owned(AnswerReader.open({ url, logger }));
    const queues = owned(new NodeQueues({ redis, logger }));
    const nodes = new NodeRegistry({ lostMs: options.nodeLostMs, steadyMs: options.steadyMs });
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
        assignments: {
          read: (nodeId) => readAssignment(redis, nodeId),
          async write(nodeId, assignment) {
            await writeAssignment(redis, term, nodeId, assignment);
            await tellNode(redis, nodeId, { type: 'assignment' });
          },
          // Nodes share one Redis user so far, who may use every channel.
          grant: async () => undefined,
        },
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
      for (const row of await store.nodeRows(new Date(Date.now() - NODE_FORGOTTEN_MS))) {
        nodes.know(row);
        await followed(row.id);
      }
      await coordinator.want().catch((error: Error) => {
        logger.warn({ problem: error.message }, 'the model to serve cannot be read');
      });
      for (const id of await store.cancelledIds()) coordinator.cancel(id);
      await coordinator.recover();
    };
    await poll();
    await coordinator.adopt();
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
    owned(
      every(STATUS_MS, 'status', logger, async () => {
        await writeCluster(redis, term, coordinator.status());
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
        else {
          coordinator.registered(message.nodeId);
          void followed(message.nodeId).catch(() => undefined);
        }
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
