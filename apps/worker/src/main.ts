import { fileURLToPath } from 'node:url';
import { toConfig } from './config.ts';
import { createContext } from './context.ts';
import { engineEnv, readEnv, refuseForbidden } from './env.ts';
import { aborted, stopSignals } from './stop-signal.ts';

const engine = {
  entry: fileURLToPath(new URL('./engine.js', import.meta.url)),
  env: engineEnv(),
};
using stop = stopSignals();
try {
  refuseForbidden();
  const config = toConfig(readEnv());
  await using context = await createContext(config, { engine, signal: stop.drain });
  await Promise.race([aborted(stop.drain), context.askedToDrain(), context.ended]);
  await Promise.race([aborted(stop.force), context.node.drain(), context.ended]);
} catch (error) {
  if (!stop.drain.aborted) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
