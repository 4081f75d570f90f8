/** The web app as a process: Next.js behind our own door, because only a server of ours knows who calls. */
import { createServer } from 'node:http';
import { constants } from 'node:os';
import path from 'node:path';
import next from 'next';
import { withCaller } from './door/caller.ts';
import { createDoor } from './door/door.ts';
import { type Config, readEnvironment } from './env.ts';

/** Nobody is left who would end a process that hangs. */
const ORPHAN_GRACE_MS = 5000;

function config(): Config {
  try {
    return readEnvironment();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    // 78 is EX_CONFIG of sysexits.h.
    process.exit(78);
  }
}

const { host, port, ...rules } = config();
const app = next({
  dev: false,
  dir: path.resolve(import.meta.dirname, '..'),
  hostname: host,
  port,
  // Next.js ends each connection of the server it is given that offers another protocol, as Java's client
  // offers HTTP/2 to every server. It gets one that nobody talks to; ours goes on with HTTP/1.1.
  httpServer: createServer(),
});
await app.prepare();
const handle = app.getRequestHandler();
const door = createDoor({ host, ...rules });

const server = createServer((request, response) => {
  const address = door.enter(request, response);
  if (address === null) return;
  withCaller(address, () => handle(request, response)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    response.destroy();
  });
});
server.once('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
server.listen(port, host);

// The supervisor is gone, however it ended: stop as if it had said so.
if (process.channel) {
  process.channel.unref();
  process.on('disconnect', () => {
    setTimeout(() => process.exit(1), ORPHAN_GRACE_MS).unref();
    process.kill(process.pid, 'SIGTERM');
  });
}

// Open answers go on for a while, and what still waits then is cut: server/stopping.ts.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close(() => {
      void app.close().finally(() => process.exit(128 + constants.signals[signal]));
    });
  });
}
