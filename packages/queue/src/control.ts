/** Control messages by pub/sub: hints that may get lost, never the only carrier of a fact. */
import { CoordinatorControl } from '@blyan/protocol/control';
import { NodeControl } from '@blyan/protocol/node';
import type { z } from 'zod';
import { connect, disconnect, type QueueLogger, type Redis } from './connection.ts';
import { COORDINATOR_CHANNEL, nodeControl } from './names.ts';
import { publishInTerm, type Term } from './term.ts';

/** Characters of one message; ours have about 150. */
const MAX_CONTROL_CHARS = 1024;

export async function tellCoordinator(redis: Redis, message: CoordinatorControl): Promise<void> {
  await redis.publish(COORDINATOR_CHANNEL, JSON.stringify(message));
}

/** For what any part may say: that the node is to drain. */
export async function tellNode(redis: Redis, nodeId: string, message: NodeControl): Promise<void> {
  await redis.publish(nodeControl(nodeId), JSON.stringify(message));
}

/**
 * For what a leader alone may say: one that was replaced would take the next one's attempts from the
 * node, and nobody would hear of them again. @throws QueueError DEPOSED, and what Redis says
 */
export async function commandNode(
  redis: Redis,
  term: Term,
  nodeId: string,
  message: NodeControl,
): Promise<void> {
  await publishInTerm(redis, term, nodeControl(nodeId), JSON.stringify(message));
}

export interface ControlOptions {
  /** Address of Redis, or what opens a connection of a name. */
  url: string | ((name: string) => Redis);
  /** As of `connect`, for an address. */
  ca?: string | undefined;
  logger: QueueLogger;
}

/** One subscription on a connection of its own; subscribes again by itself after a reconnect. */
export class ControlSubscription {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  static coordinator(options: ControlOptions, handle: (message: CoordinatorControl) => void) {
    return ControlSubscription.#open(COORDINATOR_CHANNEL, CoordinatorControl, options, handle);
  }

  static node(nodeId: string, options: ControlOptions, handle: (message: NodeControl) => void) {
    return ControlSubscription.#open(nodeControl(nodeId), NodeControl, options, handle);
  }

  static async #open<T>(
    channel: string,
    schema: z.ZodType<T>,
    { url, ca, logger }: ControlOptions,
    handle: (message: T) => void,
  ): Promise<ControlSubscription> {
    const name = `control:${channel}`;
    const redis = typeof url === 'string' ? connect(url, { name, logger, ca }) : url(name);
    redis.on('message', (_channel: string, text: string) => {
      const message = parse(schema, text);
      if (message === undefined) logger.warn({ channel }, 'malformed control message, dropped');
      else handle(message);
    });
    await redis.subscribe(channel);
    return new ControlSubscription(redis);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disconnect(this.#redis);
  }
}

function parse<T>(schema: z.ZodType<T>, text: string): T | undefined {
  if (text.length > MAX_CONTROL_CHARS) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
