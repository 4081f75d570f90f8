/** `worker run`: joins and serves until it is told to stop. */
import { fileURLToPath } from 'node:url';
import { toConfig } from '../config.ts';
import { createContext } from '../context.ts';
import { engineEnv, readEnv, refuseForbidden } from '../env.ts';
import { serveMetrics } from '../metrics.ts';
import { serveReports } from '../report.ts';
import { aborted, stopSignals } from '../stop-signal.ts';
import { Watch } from '../watch.ts';
import { ProgressLines } from './progress.ts';

/** @throws Error in words for the operator */
export async function runWorker(env: NodeJS.ProcessEnv): Promise<void> {
  refuseForbidden(env);
  const config = toConfig(readEnv(env));
  const engine = {
    entry: fileURLToPath(new URL('./engine.js', import.meta.url)),
    env: engineEnv(env),
  };
  const watch = new Watch();
  // A supervisor reads the log; a person reads lines.
  if (!process.connected) {
    const lines = new ProgressLines((line) => process.stderr.write(`${line}\n`));
    watch.onStatus((status) => lines.see(status));
  }
  using stop = stopSignals();
  try {
    await using context = await createContext(config, { engine, signal: stop.drain, watch });
    const { node, ended, report, logger } = context;
    await using _reports = await serveReports(config.workerDir, report);
    await using metrics =
      config.metricsPort > 0 ? await serveMetrics(config.metricsPort, report) : null;
    if (metrics) logger.info({ port: metrics.port }, 'metrics are served on loopback');
    await Promise.race([aborted(stop.drain), context.askedToDrain(), ended]);
    await Promise.race([aborted(stop.force), node.drain(), ended]);
  } catch (error) {
    if (!stop.drain.aborted) throw error;
  }
}
