import { EventEmitter, once } from 'node:events';
import { Agent, createServer, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { stopOnSignal } from '../src/server/stopping.ts';

/** A server with one open answer on a connection that its client would keep. */
async function openAnswer(times: { drainMs: number; goodbyeMs: number }) {
  const signals = new EventEmitter();
  const stopping = stopOnSignal(signals, times);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  const asking = request({ port, host: '127.0.0.1', agent }).end();
  asking.on('error', () => undefined);
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  response.write('first ');
  const [reply] = await once(asking, 'response');
  return {
    stopping,
    response,
    reply,
    port,
    /** As Next.js does at the signal. Resolves with the ms until the server had closed. */
    async stop() {
      const started = performance.now();
      signals.emit('SIGTERM');
      await new Promise((resolve) => server.close(resolve));
      agent.destroy();
      return performance.now() - started;
    },
  };
}

describe('a process that is told to stop', () => {
  test('finishes open answers, and is gone right behind them, whoever else is connected', async () => {
    const open = await openAnswer({ drainMs: 3000, goodbyeMs: 1000 });
    const silent = connect(open.port, '127.0.0.1').on('error', () => undefined);
    await once(silent, 'connect');
    const stopped = open.stop();
    expect(open.stopping.asked.aborted).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(open.stopping.cut.aborted).toBe(false);
    open.response.end('last');
    let text = '';
    for await (const chunk of open.reply) text += chunk;
    expect(text).toBe('first last');
    expect(await stopped).toBeLessThan(2000);
  });

  test('cuts what takes too long', async () => {
    const open = await openAnswer({ drainMs: 300, goodbyeMs: 200 });
    open.reply.on('error', () => undefined).resume();
    const stopped = open.stop();
    await once(open.stopping.cut, 'abort');
    expect(await stopped).toBeLessThan(3000);
  });
});
