/** Medians over rounds that take turns, ours against the better of llama.cpp's settings. */
import { median, type Result } from '../result.ts';

/** Tokens per second of one engine. */
export interface Rates {
  /** Median of each round. */
  rounds: number[];
  /** Of the fastest step or prefill: what else the machine does disturbs it least. */
  best: number;
}

export const OURS = 'ours';

export interface Row {
  name: string;
  ours: number;
  peer: number;
  /** Which of the peer's settings was the faster one. */
  setting: string;
  /** Median of the ratios of rounds, not ratio of the medians: what slows a round slows both. */
  ratio: number;
  bestRatio: number;
}

/** @throws RangeError without ours, or without a peer */
export function compare(name: string, rates: ReadonlyMap<string, Rates>): Row {
  const ours = rates.get(OURS);
  const peers = [...rates].filter(([engine]) => engine !== OURS);
  const [fastest] = peers.sort(([, a], [, b]) => median(b.rounds) - median(a.rounds));
  if (!ours || !fastest) throw new RangeError(`${name} has rates of ${[...rates.keys()]}`);
  const [setting, peer] = fastest;
  return {
    name,
    ours: median(ours.rounds),
    peer: median(peer.rounds),
    setting,
    ratio: median(ours.rounds.map((rate, round) => rate / peer.rounds[round]!)),
    bestRatio: ours.best / Math.max(...peers.map(([, { best }]) => best)),
  };
}

/** Of llama.cpp's speed: where that is missed, docs/engine.md says what limits us. */
const LEAST_RATIO: Record<string, number> = {
  'decode-128': 1.4,
  'decode-1000': 1,
  'prefill-128': 0.9,
  'prefill-1000': 0.8,
};

export const resultsOf = ({ name, ours, peer, ratio, bestRatio }: Row): Result[] => [
  { name: `engine.${name}`, value: ours, unit: 'tokens/s' },
  { name: `engine.${name}.llama.cpp`, value: peer, unit: 'tokens/s' },
  { name: `engine.${name}.ratio`, value: ratio, unit: 'x', bar: { least: LEAST_RATIO[name] ?? 1 } },
  { name: `engine.${name}.ratio-of-best`, value: bestRatio, unit: 'x' },
];

export function table(rows: readonly Row[]): string {
  const lines = rows.map(({ name, ours, peer, setting, ratio, bestRatio }) => [
    ...[name, ours.toFixed(1), peer.toFixed(1), setting],
    ...[ratio.toFixed(2), bestRatio.toFixed(2)],
  ]);
  const head = ['tokens/s', 'ours', 'llama.cpp', 'its setting', 'ratio', 'ratio of best'];
  return [head, head.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
