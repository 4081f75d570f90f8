/** What can go wrong, each put right again: one at a time, so that there is always somebody to go on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExtraPart } from '../extra-parts.ts';
import type { Product } from '../product.ts';
import type { BadNetwork } from './bad-network.ts';
import { pick } from './random.ts';

export interface Targets {
  product: Product;
  workers: readonly ExtraPart[];
  coordinators: readonly ExtraPart[];
  /** Between the workers and Redis. */
  network: BadNetwork;
  /** Workers that are frozen: nobody else may wake them. */
  frozen: Set<ExtraPart>;
  random: () => number;
}

/** Longer than a silent worker is waited for. */
const FREEZE_MS = 7000;
/** Shorter than that, and longer. */
const CUT_MS = [300, 2000, 6000];

/** Lost packets, each sent again by TCP, later each time. */
const LOSSES = 6;
const LOSS_MS = [200, 1000] as const;

/** Each resolves when what it broke is there again. */
export const FAULTS: Record<string, (targets: Targets) => Promise<void>> = {
  async 'worker killed'({ workers, random }) {
    const worker = pick(workers, random);
    await worker.kill();
    await sleep(random() * 3000);
    await worker.start();
  },
  async 'worker frozen'({ workers, frozen, random }) {
    const worker = pick(workers, random);
    frozen.add(worker);
    await worker.signal('SIGSTOP');
    await sleep(FREEZE_MS);
    await worker.signal('SIGCONT');
    frozen.delete(worker);
  },
  async 'coordinator killed'({ product, coordinators, random }) {
    // Which one leads is not known here: both are tried in the long run.
    const extra = pick([null, ...coordinators], random);
    if (!extra) return product.kill('coordinator');
    await extra.kill();
    await extra.start();
  },
  async 'coordinator frozen'({ product, coordinators, random }) {
    const extra = pick([null, ...coordinators], random);
    const send = (name: NodeJS.Signals) =>
      extra ? extra.signal(name) : product.kill('coordinator', name);
    await send('SIGSTOP');
    await sleep(FREEZE_MS);
    await send('SIGCONT');
  },
  'web killed': ({ product }) => product.kill('web'),
  'redis killed': ({ product }) => product.kill('redis'),
  'postgres killed': ({ product }) => product.kill('postgres'),
  async 'network cut'({ network, random }) {
    network.cut();
    await sleep(pick(CUT_MS, random));
    network.mend();
  },
  async 'network stalled'({ network, random }) {
    network.stall();
    await sleep(pick(CUT_MS, random));
    network.mend();
  },
  async 'network of a worker stalled'({ network, workers, random }) {
    network.stall(pick(workers, random).name);
    await sleep(pick(CUT_MS, random));
    network.mend();
  },
  async 'network of a worker lossy'({ network, workers, random }) {
    const { name } = pick(workers, random);
    for (let i = 0; i < LOSSES; i++) {
      network.stall(name);
      await sleep(LOSS_MS[0] + random() * LOSS_MS[1]);
      network.mend();
      await sleep(LOSS_MS[0] + random() * LOSS_MS[1]);
    }
  },
};
