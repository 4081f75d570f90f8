/** The engine process behind the port of the worker. */
import { EngineClient, type EngineClientOptions } from './engine/client.ts';
import type { LoadCommand } from './engine/messages.ts';
import type { EngineProcess, StartEngine } from './engine-port.ts';

/** @param load what to load, asked for at each start */
export function engineStarter(
  options: EngineClientOptions,
  load: () => Omit<LoadCommand, 'type'>,
): StartEngine {
  return (listener): EngineProcess => {
    const client = new EngineClient(options, {
      onMessage(message) {
        switch (message.type) {
          case 'progress':
            return listener.progress(message.progress);
          case 'notice':
            return listener.notice(message.message);
          case 'wrong-blob':
            return listener.wrongBlob(message.wrong);
          case 'ready': {
            const { model, layers, numerics, slots, context } = message.ready;
            return listener.ready({ model, layers, numerics, slots, context });
          }
          case 'connecting':
            return listener.connecting();
          case 'stats':
            return listener.stats(message.stats);
          case 'failed':
            return listener.failed({ code: message.code, message: message.message });
          case 'event':
            return listener.event(message.event);
          case 'drained':
            return;
        }
      },
      onExit({ code, signal }) {
        listener.exit(signal === null ? `exit code ${code}` : `signal ${signal}`);
      },
    });
    client.load(load());
    return {
      submit: (job) => client.submit(job),
      cancel: (requestId, attempt) => client.cancel(requestId, attempt),
      assign: (assigned) => client.assign(assigned),
      kill: () => void client.close(),
    };
  };
}
