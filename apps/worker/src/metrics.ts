/** Prometheus metrics of this worker, on loopback. */
import { createServer } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { closed, listening, type WorkerReport } from './report.ts';

const HOST = '127.0.0.1';
const STATES = ['idle', 'loading', 'ready', 'failed', 'draining'] as const;

/** Values are taken from a report at each scrape. */
function registryOf(report: () => Promise<WorkerReport>): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const running = gauge('blyan_worker_running', 'Answers that run');
  const slots = gauge('blyan_worker_slots', 'Answers that can run at a time');
  const tokens = counter('blyan_worker_tokens_total', 'Tokens generated');
  const connected = gauge('blyan_worker_connected', '1 while Redis of the main node is connected');
  const lease = gauge('blyan_worker_lease_age_seconds', 'Time since the lease was renewed');
  const clock = gauge('blyan_worker_clock_ahead_seconds', "Clock less the main node's");
  const blobs = gauge('blyan_worker_blob_bytes', 'Bytes of blobs on disk');
  const resident = gauge('blyan_worker_model_resident_bytes', 'Memory of weights and KV cache');
  const progress = gauge('blyan_worker_load_progress_ratio', 'Of the present step of a load');
  const attempts = new Counter({
    name: 'blyan_worker_attempts_total',
    help: 'Attempts that ended, by how',
    labelNames: ['outcome'],
    registers,
  });
  new Gauge({
    name: 'blyan_worker_state',
    help: '1 for the state that the worker is in',
    labelNames: ['state'],
    registers,
    async collect() {
      const now = await report();
      for (const state of STATES) this.set({ state }, now.node?.state === state ? 1 : 0);
      running.set(now.running);
      slots.set(now.node?.slots ?? 0);
      connected.set(now.connected ? 1 : 0);
      lease.set((Date.now() - now.renewedAt) / 1000);
      clock.set((now.clockAheadMs ?? 0) / 1000);
      blobs.set(now.blobBytes);
      resident.set(now.node?.load?.residentBytes ?? 0);
      const { done = 0, total = 0 } = now.node?.progress ?? {};
      progress.set(total > 0 ? done / total : 0);
      tokens.reset();
      tokens.inc(now.tokens);
      attempts.reset();
      attempts.inc({ outcome: 'done' }, now.done);
      attempts.inc({ outcome: 'failed' }, now.failed);
    },
  });
  return registry;
}

/** Serves `/metrics` until disposed; port 0 takes a free one. */
export async function serveMetrics(
  port: number,
  report: () => Promise<WorkerReport>,
): Promise<AsyncDisposable & { port: number }> {
  const registry = registryOf(report);
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.statusCode = 404;
      response.end();
      return;
    }
    metrics(registry).then(
      (text) => {
        response.setHeader('content-type', registry.contentType);
        response.end(text);
      },
      (error: Error) => {
        response.statusCode = 500;
        response.end(error.message);
      },
    );
  });
  await listening(server, () => server.listen(port, HOST));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    [Symbol.asyncDispose]: () => closed(server),
  };
}

/** The gauge that collects for the others must come first. */
async function metrics(registry: Registry): Promise<string> {
  await registry.getSingleMetricAsString('blyan_worker_state');
  return registry.metrics();
}
