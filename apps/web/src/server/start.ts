import { context } from './context.ts';
import { watchAddresses } from './http/client-address.ts';

/** Opens the clients before the first request; a wrong variable ends the start with one sentence. */
export function start(): void {
  try {
    const { config } = context();
    watchAddresses(config.trustedProxies);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    // 78 is EX_CONFIG of sysexits.h.
    process.exit(78);
  }
}
