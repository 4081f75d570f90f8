/** Medians over rounds that take turns, ours against the better of llama.cpp's settings. */
import { median, type Result } from '../result.ts';

/** Tokens per second of one engine in each round. */
export type Rates = ReadonlyMap<string, readonly number[]>;

export const OURS = 'ours';

export interface Row {
  name: string;
  ours: number;
  peer: number;
  /** Which of the peer's settings was the faster one. */
  setting: string;
  /** Median of the ratios of rounds, not ratio of the medians: what slows a round slows both. */
  ratio: number;
}

/** @throws RangeError without ours, or without a peer */
export function compare(name: string, rates: Rates): Row {
  const ours = rates.get(OURS);
  const peers = [...rates].filter(([engine]) => engine !== OURS);
  const [best] = peers.sort((a, b) => median([...b[1]]) - median([...a[1]]));
  if (!ours || !best) throw new RangeError(`${name} has rates of ${[...rates.keys()]}`);
  const [setting, peer] = best;
  const ratios = ours.map((rate, round) => rate / peer[round]!);
  return {
    name,
    ours: median([...ours]),
    peer: median([...peer]),
    setting,
    ratio: median(ratios),
  };
}

export const resultsOf = ({ name, ours, peer, ratio }: Row): Result[] => [
  { name: `engine.${name}`, value: ours, unit: 'tokens/s' },
  { name: `engine.${name}.llama.cpp`, value: peer, unit: 'tokens/s' },
  { name: `engine.${name}.ratio`, value: ratio, unit: 'x' },
];

export function table(rows: readonly Row[]): string {
  const lines = rows.map(({ name, ours, peer, setting, ratio }) =>
    [name, ours.toFixed(1), peer.toFixed(1), setting, ratio.toFixed(2)].join(' | '),
  );
  return [
    '| tokens/s | ours | llama.cpp | its setting | ratio |',
    '| --- | --- | --- | --- | --- |',
  ]
    .concat(lines.map((line) => `| ${line} |`))
    .join('\n');
}
