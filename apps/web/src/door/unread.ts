/**
 * Bodies of requests that were answered before they were read: refused for their size, their key or a
 * limit. The client may still be sending, and its next request can only follow behind them. So the rest is
 * read and dropped, within bounds; a connection that then has more to say is cut.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Many times the largest body that is taken: a client that has sent too much gets to its answer. */
const MAX_BYTES = 16 * 1024 * 1024;
/** A slow line gets 2 MiB across in this time. */
const MAX_MS = 30_000;
const LOOK_MS = 100;

/**
 * To be called before anybody answers.
 * @returns whether it is to be answered: nothing is that came behind the last request of a connection
 */
export function dropUnread(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.socket.writableEnded) return false;
  // In front of Node's own listener, which closes connections that end here.
  response.prependOnceListener('finish', () => {
    if (!request.complete) drop(request);
  });
  return true;
}

function drop(request: IncomingMessage): void {
  const { socket } = request;
  // Node would close at once. What arrives at a closed socket is answered with a reset, which takes the
  // answer away from a client that has not read it yet (RFC 9112, section 9.6).
  let ending = false;
  socket.destroySoon = () => {
    ending = true;
    socket.end();
  };
  const { bytesRead } = socket;
  const until = performance.now() + MAX_MS;
  const look = setInterval(() => {
    if (socket.bytesRead - bytesRead > MAX_BYTES || performance.now() > until) socket.destroy();
  }, LOOK_MS);
  const stopLooking = () => {
    clearInterval(look);
    socket.off('close', stopLooking);
  };
  socket.once('close', stopLooking);
  request.once('end', () => {
    stopLooking();
    // The method of its class again.
    Reflect.deleteProperty(socket, 'destroySoon');
    if (ending) socket.destroy();
  });
}
