/**
 * Frames through Redis pub/sub, one channel for each stage: works wherever a worker works. What is lost
 * while a connection is down is a gap in the numbers, which ends the epoch.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { disconnect, type QueueLogger, type Redis } from '@blyan/queue/connection';
import { stageChannels } from '@blyan/queue/names';
import { NodeAccess } from '@blyan/queue/node-connection';
import type { Membership } from './member.ts';
import type { Arrival, StageNet, Wire } from './net.ts';

/**
 * A user of Redis that was just made anew is let into its channels a moment later, by the coordinator, which
 * may have lost Redis, too.
 */
const GRANT_MS = 10_000;
const GRANT_RETRY_MS = 250;
/** What may wait for Redis: the frames of a whole pipeline's runs in flight are far below. */
const MAX_WAITING_BYTES = 64 * 2 ** 20;

export class RedisNet implements StageNet {
  readonly #member: Membership;
  readonly #publisher: Redis;
  readonly #subscriber: Redis;
  #waiting = 0;

  private constructor(member: Membership, publisher: Redis, subscriber: Redis) {
    this.#member = member;
    this.#publisher = publisher;
    this.#subscriber = subscriber;
  }

  /** Resolves when it hears what is sent to this stage. */
  static async open(
    member: Membership,
    { redisUrl, redisCa }: { redisUrl: string; redisCa?: string | undefined },
    logger: QueueLogger,
  ): Promise<RedisNet> {
    const name = `stage:${member.index}`;
    // The worker itself notices that credentials have ended, and comes with new ones.
    const access = new NodeAccess({ redisUrl, redisCa, logger, onRefused: () => undefined });
    const publisher = access.connect(`${name}:pub`);
    const subscriber = access.connect(`${name}:sub`);
    const net = new RedisNet(member, publisher, subscriber);
    try {
      await subscribe(subscriber, net.#channel(member.index));
      return net;
    } catch (error) {
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  listen(handler: (arrival: Arrival) => void): void {
    this.#subscriber.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => {
      handler({
        bytes,
        from: null,
        reply: (answer) => {
          // Byte 28 of a frame is the number of the stage that it is from.
          const from = bytes.length >= 30 ? bytes.readUInt16LE(28) : -1;
          if (from >= 0 && from < this.#member.assignment.stages.length) this.post(from, answer);
        },
      });
    });
  }

  post(to: number, bytes: Uint8Array): void {
    this.#publish(to, bytes);
  }

  async connect(to: number, closed: (reason: string) => void): Promise<Wire> {
    let open = true;
    return {
      transport: 'redis',
      send: (bytes) => {
        if (!open || this.#publish(to, bytes)) return;
        open = false;
        // Not in the middle of the caller's work.
        setImmediate(() => closed('Redis does not take frames'));
      },
      close: () => {
        open = false;
      },
    };
  }

  /** False when it cannot be sent now; what would wait for a reconnect comes too late. */
  #publish(to: number, bytes: Uint8Array): boolean {
    if (this.#publisher.status !== 'ready' || this.#waiting > MAX_WAITING_BYTES) return false;
    const { buffer, byteOffset, byteLength } = bytes;
    this.#waiting += byteLength;
    const done = () => {
      this.#waiting -= byteLength;
    };
    const message = Buffer.from(buffer, byteOffset, byteLength);
    this.#publisher.publish(this.#channel(to), message).then(done, done);
    return true;
  }

  #channel(index: number): string {
    const { id, stages } = this.#member.assignment;
    return `${stageChannels(id)}:${stages[index]?.nodeId}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([disconnect(this.#publisher), disconnect(this.#subscriber)]);
  }
}

/** Tries again while Redis does not let us in; @throws what Redis says at last */
async function subscribe(redis: Redis, channel: string): Promise<void> {
  const until = performance.now() + GRANT_MS;
  for (;;) {
    try {
      await redis.subscribe(channel);
      return;
    } catch (error) {
      const { message } = error as Error;
      if (!message.startsWith('NOPERM') || performance.now() > until) throw error;
      await sleep(GRANT_RETRY_MS);
    }
  }
}
