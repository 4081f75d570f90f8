/** A memory plan for people, as Markdown. GB are 10^9 bytes, the smaller ones: a card is sold as larger. */
import { KV_TYPES, type MemoryPlan } from './memory.ts';

const GB = 1e9;

const gb = (bytes: number) => (bytes / GB).toFixed(2);
const count = (value: number) => value.toLocaleString('en');
const positions = (context: number) =>
  context % 1024 === 0 ? `${context / 1024}k` : count(context);

export function planTable(plan: MemoryPlan): string {
  const { formats, kv, fits, memoryBytes, reserveBytes } = plan;
  const contexts = kv.map(({ context }) => positions(context));
  return [
    `${count(plan.parameters)} parameters. Sizes in GB (10^9 bytes).`,
    table(
      ['weights', 'on chain', 'in memory, CPU', 'in memory, GPU'],
      formats.map((f) => [f.format, gb(f.chainBytes), gb(f.cpuBytes), gb(f.gpuBytes)]),
    ),
    table(
      ['K and V of one sequence', ...contexts],
      KV_TYPES.map((type) => [type, ...kv.map(({ bytes }) => gb(bytes[type]))]),
    ),
    `On a GPU with ${gb(memoryBytes)} GB: weights, K and V of one sequence, and ${gb(reserveBytes)} GB of reserve for activations and runtime. Brackets: does not fit.`,
    table(
      ['weights', 'K and V', ...contexts, 'longest'],
      fits.map((fit) => [
        fit.format,
        fit.kv,
        ...fit.totals.map(({ bytes, fits: ok }) => (ok ? gb(bytes) : `(${gb(bytes)})`)),
        fit.longest > 0 ? count(fit.longest) : 'none',
      ]),
    ),
  ].join('\n\n');
}

function table(head: string[], rows: string[][]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
