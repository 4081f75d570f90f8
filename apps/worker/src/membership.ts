/**
 * This worker's place in the network: it registers, renews its lease, and registers again whenever
 * the lease or the Redis user is lost. Connections to Redis are opened through it, so that they
 * follow to the new credentials.
 */
import { HeartbeatResponse, type RegisterResponse } from '@blyan/protocol/register';
import type { Redis } from '@blyan/queue/connection';
import { NodeAccess } from '@blyan/queue/node-connection';
import { WorkerError } from './errors.ts';
import type { Logger } from './logger.ts';
import { askMain } from './main-client.ts';
import { type RegisterInput, register, sleep } from './register.ts';

/** Pause behind a heartbeat that did not get through: a lease stands several. */
const RETRY_MS = 2000;
/** A clock that is off by so much is said. */
const CLOCK_MS = 5000;

export interface MembershipDeps {
  logger: Logger;
  /** Ends the first registration. */
  signal: AbortSignal;
  /** There are new credentials; `connect` has them already. */
  onRenewed?(redis: { redisUrl: string; redisCa?: string | undefined }): void;
  /** An admin wants this node to finish what runs and stop. */
  onDrain(): void;
}

export class Membership implements AsyncDisposable {
  readonly nodeId: string;
  readonly genesis: string;
  readonly heartbeatMs: number;
  /** Rejects when the main node refuses this worker for good. */
  readonly ended: Promise<never>;
  readonly #input: RegisterInput;
  readonly #logger: Logger;
  readonly #deps: MembershipDeps;
  readonly #access: NodeAccess;
  readonly #stop = new AbortController();
  readonly #beating: Promise<void>;
  #end: (error: unknown) => void = () => undefined;
  #joined: RegisterResponse;
  #joining: Promise<void> | null = null;
  #clockAheadMs: number | null = null;
  #renewedAt = Date.now();

  private constructor(input: RegisterInput, joined: RegisterResponse, deps: MembershipDeps) {
    this.nodeId = joined.nodeId;
    this.genesis = joined.genesis;
    this.heartbeatMs = joined.heartbeatMs;
    // The network of the first registration is the one to stay in.
    this.#input = { ...input, genesis: joined.genesis };
    this.#joined = joined;
    this.#logger = deps.logger;
    this.#deps = deps;
    this.#access = new NodeAccess({
      redisUrl: joined.redisUrl,
      redisCa: joined.redisCa,
      logger: deps.logger,
      onRefused: (reason) => void this.#rejoin(`Redis refuses us: ${reason}`),
    });
    this.ended = new Promise<never>((_, reject) => {
      this.#end = reject;
    });
    // Whoever does not look at it has no use for it.
    this.ended.catch(() => undefined);
    this.#beating = this.#beat();
  }

  /** Registers first. Throws as `register`. */
  static async join(input: RegisterInput, deps: MembershipDeps): Promise<Membership> {
    return new Membership(input, await register(input, deps), deps);
  }

  /** Our clock less the main node's, ms; null before the first heartbeat. */
  get clockAheadMs(): number | null {
    return this.#clockAheadMs;
  }
  /** Unix ms of the last registration or heartbeat that got through. */
  get renewedAt(): number {
    return this.#renewedAt;
  }

  /** The credentials of now, for a process that opens its own connections. */
  get redis(): { redisUrl: string; redisCa?: string | undefined } {
    const { redisUrl, redisCa } = this.#joined;
    return { redisUrl, redisCa };
  }

  /** Opens a connection to this node's part of Redis; its owner ends it. */
  readonly connect = (name: string): Redis => this.#access.connect(name);

  async #beat(): Promise<void> {
    const { signal } = this.#stop;
    let pause = this.#joined.lease.renewMs;
    while (!signal.aborted) {
      try {
        await sleep(pause, signal);
        pause = this.#joined.lease.renewMs;
        await this.#renew(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof WorkerError && error.code === 'REFUSED') {
          await this.#rejoin(error.message);
        } else {
          this.#logger.warn(
            { problem: (error as Error).message },
            'a heartbeat did not get through',
          );
          pause = RETRY_MS;
        }
      }
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { mainUrl } = this.#input;
    const began = Date.now();
    const reply = await askMain(HeartbeatResponse, {
      mainUrl,
      path: '/gpu/heartbeat',
      body: { nodeId: this.nodeId, now: began },
      bearer: this.#joined.lease.token,
      signal,
    });
    this.#joined = { ...this.#joined, lease: reply.lease };
    this.#renewedAt = Date.now();
    this.#clockAheadMs = Math.round((began + this.#renewedAt) / 2 - reply.now);
    if (Math.abs(this.#clockAheadMs) > CLOCK_MS)
      this.#logger.warn({ aheadMs: this.#clockAheadMs }, 'the clock of this machine is wrong');
    if (reply.wish === 'drain') this.#deps.onDrain();
  }

  /** One registration at a time, whoever noticed the loss. */
  #rejoin(reason: string): Promise<void> {
    this.#joining ??= this.#register(reason).finally(() => {
      this.#joining = null;
    });
    return this.#joining;
  }

  async #register(reason: string): Promise<void> {
    const { signal } = this.#stop;
    this.#logger.warn({ reason }, 'our place in the network is lost, registering again');
    try {
      this.#joined = await register(this.#input, { logger: this.#logger, signal });
      this.#renewedAt = Date.now();
      this.#access.renew(this.#joined);
      this.#deps.onRenewed?.(this.#joined);
    } catch (error) {
      if (signal.aborted) return;
      this.#stop.abort();
      this.#end(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#beating;
    await this.#joining;
  }
}
