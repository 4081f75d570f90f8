/**
 * The address of whoever sent the request that is being worked on. Not a header, which a client could
 * send, too. Global, because Next.js bundles what runs behind the door apart from the door.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const KEY = Symbol.for('blyan.web.caller');
type Holder = { [KEY]?: AsyncLocalStorage<string> };

function storage(): AsyncLocalStorage<string> {
  const holder = globalThis as Holder;
  holder[KEY] ??= new AsyncLocalStorage();
  return holder[KEY];
}

export const withCaller = <T>(address: string, work: () => T): T => storage().run(address, work);

/** `unknown`, one for all, where no door was passed. */
export const callerAddress = (): string => storage().getStore() ?? 'unknown';
