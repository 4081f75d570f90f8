/** Entry of the engine process: forked by the worker, ends with it. */
import { Engine } from './engine.ts';
import { EngineCommand, type EngineMessage } from './messages.ts';

const stop = new AbortController();
const engine = new Engine({
  signal: stop.signal,
  send: (message: EngineMessage) => {
    // Without a callback a failed write is thrown; that the worker is gone, 'disconnect' says.
    if (process.connected) process.send?.(message, () => undefined);
  },
});

process.on('message', (message) => {
  // A command that does not parse is a bug of ours: it ends the process with its stack.
  void engine.handle(EngineCommand.parse(message));
});
// The worker is gone, whatever the reason: nobody would read an answer.
process.on('disconnect', () => {
  stop.abort();
  process.exit(0);
});
// Ctrl-C in a terminal reaches the whole group; the worker decides when the engine ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
