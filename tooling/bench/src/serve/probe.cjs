/**
 * Loaded into the product's processes (NODE_OPTIONS=--require) while they are measured: what only a process
 * itself can tell, over a socket beside those of the others. The product has no code for it.
 *
 *   GET /heap           bytes of the heap behind forced full collections, and of the whole process
 *   GET /delay/start    begins to watch the event loop
 *   GET /delay/stop     {p50, p99, max} in ms, over a timer of RESOLUTION_MS that is taken off
 *   GET /profile/start  begins a CPU profile
 *   GET /profile/stop   the profile, as Chromium's developer tools open it
 */
'use strict';
const { createServer } = require('node:http');
const { Session } = require('node:inspector');
const { join } = require('node:path');
const { monitorEventLoopDelay } = require('node:perf_hooks');

const RESOLUTION_MS = 5;
/**
 * V8 lets go of the bytecode of functions that were not called between several collections, megabytes of it:
 * all of that must be over each time, or one difference is code and not what requests left.
 */
const COLLECTIONS = 20;
const directory = process.env.BLYAN_BENCH_PROBES;

if (directory && /apps[\\/]\w+[\\/]dist[\\/]\w+\.js$/.test(process.argv[1] ?? '')) {
  const session = new Session();
  session.connect();
  const ask = (method) =>
    new Promise((resolve, reject) => {
      session.post(method, (error, result) => (error ? reject(error) : resolve(result)));
    });
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const routes = {
    async '/heap'() {
      for (let i = 0; i < COLLECTIONS; i++) await ask('HeapProfiler.collectGarbage');
      const { heapUsed, rss, external } = process.memoryUsage();
      return { heapUsed, rss, external };
    },
    async '/delay/start'() {
      delay.reset();
      delay.enable();
      return {};
    },
    async '/delay/stop'() {
      delay.disable();
      return { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) };
    },
    async '/profile/start'() {
      await ask('Profiler.enable');
      await ask('Profiler.start');
      return {};
    },
    async '/profile/stop'() {
      const { profile } = await ask('Profiler.stop');
      await ask('Profiler.disable');
      return profile;
    },
  };
  const server = createServer((request, response) => {
    const route = routes[request.url];
    Promise.resolve(route ? route() : Promise.reject(new Error(`no ${request.url}`))).then(
      (value) => response.end(JSON.stringify(value)),
      (error) => response.writeHead(500).end(error.message),
    );
  });
  server.listen(join(directory, `${process.pid}.sock`)).unref();
}
