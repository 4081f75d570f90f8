/**
 * A node's own way to Redis. Its user may call scripts by their SHA-1 only, and may be taken away
 * at any time: then nothing is tried again before there are new credentials.
 */
import { createHash } from 'node:crypto';
import { type Callback, Redis, type RedisOptions } from 'ioredis';
import { connectOptions, logConnection, type QueueLogger, reconnectPause } from './connection.ts';

/** What Redis says to who has no user (any more), or a wrong password. */
const REFUSED = /^(WRONGPASS|NOAUTH)\b/;
/** While refused; new credentials end it sooner. */
const REFUSED_PAUSE_MS = 3600_000;

/** Replies in the shape of RESP2, as everywhere here. */
type Options = Omit<RedisOptions, 'replyMapping'>;

type Argument = string | number | Buffer;

interface Script {
  lua: string;
  numberOfKeys?: number;
}

/** ioredis sends EVAL the first time on each socket; this one never does. */
class NodeRedis extends Redis {
  /** Called before each connect but the first, which the constructor of ioredis begins. */
  declare beforeConnect?: () => void;

  override connect(callback?: Callback<void>): Promise<void> {
    this.beforeConnect?.();
    return super.connect(callback);
  }

  override defineCommand(name: string, { lua, numberOfKeys }: Script): void {
    const sha = createHash('sha1').update(lua).digest('hex');
    // `this` is the connection or a pipeline of it; BullMQ passes all arguments as one array.
    function run(this: Redis, ...args: Argument[] | [Argument[]]): unknown {
      const count = numberOfKeys === undefined ? [] : [numberOfKeys];
      return this.call('evalsha', [sha, ...count, ...args.flat()]);
    }
    Object.assign(this, { [name]: run });
    // What pipelines take over of their connection.
    this.addedBuiltinSet.add(name);
  }

  /** The one section that a node may see; asked for by ioredis and BullMQ without a name. */
  override info(...args: unknown[]): Promise<string> {
    const callback = args.find((arg): arg is Callback<string> => typeof arg === 'function');
    return callback ? super.info('server', callback) : super.info('server');
  }
}

export interface NodeAccessOptions {
  /** With the node's user and password. */
  redisUrl: string;
  /** Certificate of who signed the server's, PEM; without it the machine's own list counts. */
  redisCa?: string | undefined;
  logger: QueueLogger;
  /** The credentials are not good any more; called once until `renew`. */
  onRefused(reason: string): void;
}

/** All connections of one node: they share its credentials, and get new ones together. */
export class NodeAccess {
  readonly #logger: QueueLogger;
  readonly #onRefused: (reason: string) => void;
  readonly #clients = new Set<NodeRedis>();
  #url: string;
  #ca: string | undefined;
  #refused = false;

  constructor({ redisUrl, redisCa, logger, onRefused }: NodeAccessOptions) {
    this.#url = redisUrl;
    this.#ca = redisCa;
    this.#logger = logger;
    this.#onRefused = onRefused;
  }

  /** Opens a connection; its owner ends it with `disconnect`. */
  connect(name: string): Redis {
    const redis = this.#open(connectOptions(name));
    logConnection(redis, name, this.#logger);
    return redis;
  }

  #open(options: Options): NodeRedis {
    const redis = new NodeRedis(this.#url, {
      ...options,
      ...(this.#ca !== undefined && { tls: { ca: this.#ca } }),
      retryStrategy: (tries) => (this.#refused ? REFUSED_PAUSE_MS : reconnectPause(tries)),
    });
    // BullMQ opens its blocking connection so.
    const duplicate = (more?: Options) => this.#open({ ...options, ...more });
    redis.duplicate = duplicate as typeof redis.duplicate;
    this.#watch(redis);
    return redis;
  }

  /** New credentials: all connections that were refused are opened again with them. */
  renew({ redisUrl, redisCa }: { redisUrl: string; redisCa?: string | undefined }): void {
    this.#url = redisUrl;
    this.#ca = redisCa;
    this.#refused = false;
    for (const client of this.#clients) {
      this.#credentials(client);
      if (client.status === 'reconnecting') client.connect().catch(() => undefined);
    }
  }

  /** Those of now, for its next connect. */
  #credentials({ options }: NodeRedis): void {
    const url = new URL(this.#url);
    options.username = decodeURIComponent(url.username);
    options.password = decodeURIComponent(url.password);
    options.host = url.hostname;
    options.port = Number(url.port || 6379);
    if (this.#ca !== undefined) options.tls = { ca: this.#ca };
  }

  #watch(client: NodeRedis): void {
    this.#clients.add(client);
    // BullMQ ends its blocking connection and opens it again when Redis was silent for long.
    client.beforeConnect = () => {
      this.#clients.add(client);
      this.#credentials(client);
    };
    client.on('end', () => {
      if (client.status === 'end') this.#clients.delete(client);
    });
    client.on('error', (error: Error) => {
      if (this.#refused || !REFUSED.test(error.message)) return;
      this.#refused = true;
      this.#onRefused(error.message);
    });
  }
}
