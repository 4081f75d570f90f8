/** The running coordinator: connects the dispatch to queues, streams, tables and time. */
import { hostname } from 'node:os';
import type { PrismaClient } from '@blyan/db/client';
import type { FrameType } from '@blyan/protocol/assignment';
import type { NodeControl } from '@blyan/protocol/node';
import { AnswerReader } from '@blyan/queue/answer-reader';
import { AnswerWriter } from '@blyan/queue/answer-stream';
import { readAssignment, writeAssignment } from '@blyan/queue/assignments';
import { writeCluster } from '@blyan/queue/cluster';
import { answers, connect, disconnect, serverId } from '@blyan/queue/connection';
import { ControlSubscription, commandNode } from '@blyan/queue/control';
import { QueueError } from '@blyan/queue/errors';
import { forgetIntake, IntakeWorker } from '@blyan/queue/intake';
import { grantStages, loadNodeScripts } from '@blyan/queue/node-acl';
import { NodeQueues } from '@blyan/queue/node-queue';
import { NodeStreamReader } from '@blyan/queue/node-reader';
import { checkTerm, lastTerm, type Term } from '@blyan/queue/term';
import type { KnownBlobs } from '@blyan/store/check-source';
import { Access } from './access.ts';
import { Coordinator } from './coordinator.ts';
import { isDeposed } from './errors.ts';
import { lead } from './leader/lead.ts';
import { Lease } from './leader/lease.ts';
import {
  ACCESS_MS,
  LEASE_MS,
  LEASE_RENEW_MS,
  NODE_FORGOTTEN_MS,
  NODE_SWEEP_MS,
  POLL_MS,
  REDIS_SILENT_MS,
  STANDBY_MS,
  STATUS_MS,
  SWEEP_BATCH,
  SWEEP_MS,
  TICK_MS,
} from './limits.ts';
import type { Logger } from './logger.ts';
import { every, type Loop } from './loops.ts';
import { NodeRegistry } from './nodes.ts';
import { RequestStore } from './request-store.ts';
import type { Models } from './served-model.ts';
import { TickClock } from './tick-clock.ts';

export interface ServiceOptions {
  redisUrl: string;
  /** A Redis of its own for the traffic of nodes; default: the same. */
  nodeRedisUrl?: string;
  /** Certificate of who signed that server's, PEM. */
  nodeRedisCa?: string | undefined;
  retentionMs: number;
  conversationRetentionMs: number;
  /** Between the stages of a pipeline; default: f32. */
  frames?: FrameType;
  /** Tests shorten these. */
  nodeLostMs?: number;
  noNodeGraceMs?: number;
  nodeForgottenMs?: number;
  steadyMs?: number;
  leaseMs?: number;
  renewMs?: number;
  redisSilentMs?: number;
}

export interface ServiceDeps {
  db: PrismaClient;
  models: Models;
  /** The main node's own weights. */
  blobs: KnownBlobs;
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
  const { redisUrl, nodeRedisUrl = redisUrl, nodeRedisCa: ca } = options;
  // A look fails in time, and so ends when this does: the next one looks again.
  const users = connect(nodeRedisUrl, { name: 'coordinator:access', logger, use: 'request', ca });
  const access = new Access({ db, redis: users, logger });
  const looking = every(ACCESS_MS, 'access', logger, () => access.look());
  const leading = await lead(
    { standbyMs: STANDBY_MS, renewMs, silentMs: options.redisSilentMs ?? REDIS_SILENT_MS },
    {
      lease: new Lease(db, { holder, ttlMs: leaseMs }),
      logger,
      lastTerm: () => lastTerm(redis),
      reachesRedis: () => answers(redis),
      serve: (term) => serve(options, { ...deps, term, access, looking }),
    },
  );
  return {
    async [Symbol.asyncDispose]() {
      await leading[Symbol.asyncDispose]();
      // A look that waits for Redis ends with its connection.
      await Promise.all([disconnect(users), looking[Symbol.asyncDispose]()]);
      await disconnect(redis);
    },
  };
}

async function warm(models: Models): Promise<void> {
  const hash = await models.wanted();
  if (hash !== null) await models.get(hash);
}

interface LeaderDeps extends ServiceDeps {
  term: Term;
  access: Access;
  looking: Loop;
}

/** What the leader does. */
async function serve(
  options: ServiceOptions,
  { db, models, blobs, logger, term, access, looking }: LeaderDeps,
): Promise<AsyncDisposable> {
  const { redisUrl: url, retentionMs, nodeForgottenMs = NODE_FORGOTTEN_MS } = options;
  const nodeUrl = options.nodeRedisUrl ?? url;
  const ca = options.nodeRedisCa;
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
    const nodeRedis = connect(nodeUrl, { name: 'coordinator:nodes', logger, ca });
    stack.push(() => disconnect(nodeRedis));
    // A server that was restarted, or another one behind the same name, has no scripts, and may have lost
    // what was written last.
    let server: string | null = null;
    const onReady = async () => {
      const before = server;
      server = await serverId(nodeRedis);
      await loadNodeScripts(nodeRedis);
      if (before !== null && before !== server) coordinator.redisRestarted();
    };
    nodeRedis.on('ready', () => {
      onReady().catch((error: Error) => {
        logger.warn({ problem: error.message }, 'scripts for nodes were not loaded');
      });
    });
    const tell = (nodeId: string, message: NodeControl) =>
      commandNode(nodeRedis, term, nodeId, message);
    // First of all: what an earlier leader writes from now on is refused.
    await Promise.all([checkTerm(redis, term), checkTerm(nodeRedis, term)]);
    const store = new RequestStore({ db, term });
    const writer = new AnswerWriter({ redis, term, ttlMs: retentionMs });
    const reader = owned(AnswerReader.open({ url, logger }));
    const queues = owned(new NodeQueues({ redis: nodeRedis, logger }));
    const nodes = new NodeRegistry({ lostMs: options.nodeLostMs, steadyMs: options.steadyMs });
    const coordinator: Coordinator = new Coordinator(
      {
        store,
        writer,
        reader,
        queues,
        nodes,
        models,
        blobs,
        logger,
        tellNode: tell,
        assignments: {
          read: (nodeId) =>
            readAssignment(nodeRedis, nodeId).catch((error: Error) => {
              if (!(error instanceof QueueError)) throw error;
              coordinator.accuse(nodeId, error);
              logger.warn({ nodeId, problem: error.message }, 'a node is assigned anew');
              return null;
            }),
          async write(nodeId, assignment) {
            await writeAssignment(nodeRedis, term, nodeId, assignment);
            await tell(nodeId, { type: 'assignment' });
          },
          async grant(nodeId, ids) {
            // No script may change a user: of a leader that is replaced just here, the next one tells again.
            await checkTerm(nodeRedis, term);
            await grantStages(nodeRedis, nodeId, ids);
          },
        },
      },
      {
        ...(options.noNodeGraceMs === undefined ? {} : { noNodeGraceMs: options.noNodeGraceMs }),
        ...(options.frames === undefined ? {} : { frames: options.frames }),
      },
    );
    stack.push(() => coordinator.stop());
    const listening = access.listen({
      cut: (nodeId) => coordinator.lose(nodeId),
      back: (nodeId) => nodes.letIn(nodeId),
      drain: (nodeId) => tell(nodeId, { type: 'drain' }),
    });
    stack.push(async () => listening[Symbol.dispose]());

    const streams = owned(NodeStreamReader.open({ url: nodeUrl, ca, logger }));
    const followed = async (nodeId: string) => {
      nodes.add(nodeId);
      await streams.add(nodeId, nodeRedis).catch((error: unknown) => {
        if (!coordinator.accuse(nodeId, error)) throw error;
      });
    };
    const known = async () => {
      const readAt = performance.now();
      const rows = await store.nodeRows(new Date(Date.now() - nodeForgottenMs));
      for (const id of nodes.forget(nodeForgottenMs, new Set(rows.map((row) => row.id)))) {
        streams.remove(id);
        queues.forget(id);
        coordinator.forget(id);
        logger.info({ nodeId: id }, 'a node is forgotten');
      }
      for (const row of rows) {
        // The message that says so may be lost, and a new user of Redis reaches no channels of stages.
        if (nodes.know(row, readAt)) coordinator.registered(row.id);
        await followed(row.id);
      }
    };
    const poll = async () => {
      await known();
      await coordinator.want().catch((error: Error) => {
        logger.warn({ problem: error.message }, 'the model to serve cannot be read');
      });
      for (const id of await store.cancelledIds()) coordinator.cancel(id);
      await coordinator.recover();
      await remove((limit) => store.erase(limit), writer);
      // What is on the way to and from nodes has tokens and ids of what was erased just now.
      await streams.trim(nodeRedis, () => checkTerm(nodeRedis, term));
      await forgetIntake(redis);
    };
    await poll();
    await coordinator.adopt();
    const stop = new AbortController();
    const reading = readNodes({ streams, coordinator, logger }, stop.signal);
    stack.push(async () => {
      stop.abort();
      await reading;
    });

    const ticks = new TickClock(nodeRedis, nodes);
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
    const sweepNodes = async () => {
      for (const { id } of [...nodes.all()]) {
        const swept = queues.sweep(id, {
          isWanted: (request, attempt) => coordinator.wants(request, attempt),
          mayRemove: () => checkTerm(nodeRedis, term),
        });
        await swept.catch((error: Error) => {
          if (isDeposed(error)) throw error;
          if (coordinator.accuse(id, error)) return;
          logger.warn({ nodeId: id, problem: error.message }, 'a queue was not swept');
        });
      }
    };
    void owned(every(NODE_SWEEP_MS, 'sweep of nodes', logger, sweepNodes)).now();
    const sweep = async () => {
      const alive = coordinator.status().nodes.filter((node) => node.alive);
      await store.nodesSeen(alive.map(({ id }) => id));
      const unusedSince = new Date(Date.now() - options.conversationRetentionMs);
      while ((await store.purgeConversations(unusedSince, SWEEP_BATCH)) === SWEEP_BATCH);
      const before = new Date(Date.now() - retentionMs);
      await remove((limit) => store.purge(before, limit), writer);
    };
    void owned(every(SWEEP_MS, 'sweep', logger, sweep)).now();

    owned(
      await ControlSubscription.coordinator({ url, logger }, (message) => {
        if (message.type === 'cancel') coordinator.cancel(message.requestId);
        else {
          coordinator.registered(message.nodeId);
          void followed(message.nodeId)
            .then(known)
            .catch(() => undefined);
          void looking.now();
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

/** Deletes ended requests with all that was kept of them, batch by batch. */
async function remove(
  rows: (limit: number) => Promise<string[]>,
  writer: AnswerWriter,
): Promise<void> {
  for (;;) {
    const ids = await rows(SWEEP_BATCH);
    await writer.remove(ids);
    if (ids.length < SWEEP_BATCH) return;
  }
}
