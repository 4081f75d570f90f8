/**
 * `npm run chaos -- --minutes N --seed S`: the whole product with several workers under load, while
 * everything in it dies at random. `npm run chaos -- --kills N --seed S`: one worker after the other is
 * killed in the middle of an answer, over 1 to 3 stages. See docs/failure.md. The report goes to stdout
 * as text, and to `--out FILE` as JSON. Exits with 1 unless every answer was the undisturbed one, once, and
 * with `--kills` in time.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { networkOf } from './bad-network.ts';
import { runKills } from './kill-run.ts';
import { type LoadOptions, runUnderLoad } from './load-run.ts';
import { isGood, type Report, reportText } from './report.ts';

interface Options extends LoadOptions {
  /** Null: random faults under load. */
  kills: number | null;
  out: string | null;
}

const log = (line: string) => process.stderr.write(`· ${line}\n`);

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      kills: { type: 'string' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '3' },
      clients: { type: 'string', default: '4' },
      out: { type: 'string' },
    },
  });
  const number = (name: 'minutes' | 'kills' | 'seed' | 'workers' | 'clients', min: number) => {
    const value = Number(values[name]);
    if (!Number.isFinite(value) || value < min) throw new Error(`--${name} wants a number`);
    return value;
  };
  return {
    minutes: number('minutes', 0.1),
    kills: values.kills === undefined ? null : number('kills', 1),
    seed: number('seed', 0),
    workers: number('workers', 2),
    clients: number('clients', 1),
    out: values.out ?? null,
  };
}

async function run(options: Options, dataDir: string): Promise<Report> {
  const { network, nodeRedisUrl } = await networkOf(dataDir);
  await using _ = network;
  const deps = { dataDir, network, nodeRedisUrl, log };
  log('starting the product');
  const { kills, seed } = options;
  return kills === null ? runUnderLoad(options, deps) : runKills({ kills, seed }, deps);
}

const options = readOptions();
const dataDir = await mkdtemp(path.join(tmpdir(), 'blyan-chaos-'));
await chmod(dataDir, 0o711);
try {
  const report = await run(options, dataDir);
  if (options.out) await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${reportText(report)}\n`);
  if (!isGood(report)) process.exitCode = 1;
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
