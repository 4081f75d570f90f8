/** Who asks, and with which limits: the owner of a key, or an address. */
import { API_KEY_PREFIX, findApiKey } from '@blyan/db/api-keys';
import type { Db } from '@blyan/db/client';
import { ApiError } from '../http/errors.ts';

export interface Caller {
  /** Under which it is counted. */
  id: string;
  /** A minute; 0 is no limit. */
  requests: number;
  tokens: number;
}

export interface AnonymousLimits {
  requestsPerMinute: number;
  tokensPerMinute: number;
}

/** How long it is believed that no key was ever made. */
const NONE_FOR_MS = 5000;
/** For clients that must send a key and have none. */
const NO_KEY = new Set(['none', 'EMPTY']);

/** Of `Authorization: Bearer` or `X-API-Key`; null for no key, an empty one included. */
function keyOf(headers: Headers): string | null {
  const authorization = headers.get('authorization');
  const key = /^Bearer\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1] ?? headers.get('x-api-key');
  return key === null || key === '' || NO_KEY.has(key) ? null : key;
}

export class Callers {
  readonly #db: Db;
  readonly #anonymous: AnonymousLimits;
  #keysInUse = false;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(anonymous: AnonymousLimits, { db }: { db: Db }) {
    this.#anonymous = anonymous;
    this.#db = db;
  }

  /**
   * Before this server's first key was made, any key that is none of ours is taken for none: OpenAI's
   * clients send one, whatever it is. From then on what is no valid key is refused.
   * @param address of the client
   * @throws ApiError 401
   */
  async of(headers: Headers, address: string): Promise<Caller> {
    const key = keyOf(headers);
    if (key === null || !(key.startsWith(API_KEY_PREFIX) || (await this.#areKeysInUse())))
      return {
        id: `address:${address}`,
        requests: this.#anonymous.requestsPerMinute,
        tokens: this.#anonymous.tokensPerMinute,
      };
    const row = await findApiKey(this.#db, key);
    if (!row)
      throw new ApiError(
        401,
        'invalid_api_key',
        'This API key is wrong, expired or revoked. Without a key send none, or "none".',
        { headers: { 'www-authenticate': 'Bearer' } },
      );
    const { id, requestsPerMinute, tokensPerMinute } = row;
    return { id: `key:${id}`, requests: requestsPerMinute, tokens: tokensPerMinute };
  }

  /** Keys are never deleted, so once is for good. */
  async #areKeysInUse(): Promise<boolean> {
    const now = performance.now();
    if (!this.#keysInUse && now - this.#askedAt > NONE_FOR_MS) {
      this.#keysInUse = (await this.#db.apiKey.findFirst({ select: { id: true } })) !== null;
      this.#askedAt = now;
    }
    return this.#keysInUse;
  }
}
