/**
 * The end of this process, in two steps. Told to stop, it takes no new question and goes on with the
 * open answers; after a while it cuts those too. The server (main.ts) closes at the same signal, waits for
 * open responses and exits; here is what that leaves out.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type EventEmitter, setMaxListeners } from 'node:events';
import type { Server, ServerResponse } from 'node:http';

/** Open answers go on for this long. Whoever sent the signal kills after 10 s (tooling/local). */
const DRAIN_MS = 8000;
/** For what the cut answers still have to say. */
const GOODBYE_MS = 1000;
/** How often it is seen whether anything is still open. */
const LOOK_MS = 100;
/** The server is bundled apart from what runs behind it, here. */
const REQUEST_START = 'http.server.request.start';

export interface Stopping {
  /** Aborted when the process is told to end. */
  asked: AbortSignal;
  /** Aborted when open answers must end. */
  cut: AbortSignal;
}

export function stopOnSignal(
  signals: Pick<EventEmitter, 'once'> = process,
  { drainMs = DRAIN_MS, goodbyeMs = GOODBYE_MS } = {},
): Stopping {
  const asked = new AbortController();
  const cut = new AbortController();
  // One listener for each open answer is no leak.
  setMaxListeners(0, asked.signal, cut.signal);
  const servers = new Set<Server>();
  let open = 0;
  const see = (message: unknown) => {
    const { server, response } = message as { server: Server; response: ServerResponse };
    servers.add(server);
    open += 1;
    response.once('close', () => {
      open -= 1;
    });
  };
  subscribe(REQUEST_START, see);

  const stop = () => {
    if (asked.signal.aborted) return;
    asked.abort();
    const closeConnections = () => {
      for (const server of servers) server.closeAllConnections();
    };
    // The server waits for connections too that a client keeps, or opened ahead, without asking. Not
    // `closeIdleConnections`: it cuts a response that has ended and is not sent yet.
    let quiet = 0;
    const look = setInterval(() => {
      quiet = open === 0 ? quiet + 1 : 0;
      if (quiet >= 2) closeConnections();
    }, LOOK_MS);
    const cutting = setTimeout(() => cut.abort(), drainMs);
    const leaving = setTimeout(closeConnections, drainMs + goodbyeMs);
    for (const timer of [look, cutting, leaving]) timer.unref();
  };
  for (const name of ['SIGTERM', 'SIGINT']) signals.once(name, stop);
  return { asked: asked.signal, cut: cut.signal };
}
