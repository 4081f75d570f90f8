/** `npm run bench [-- hash formats serving]`: JSON lines `{name, value, unit}` on stdout, progress on stderr. */
import { benchFormats } from './formats.ts';
import { benchHash } from './hash.ts';
import type { Result } from './result.ts';
import { benchServing } from './serving.ts';

const emit = ({ name, value, unit }: Result) =>
  console.log(JSON.stringify({ name, value: Number(value.toPrecision(4)), unit }));
const log = (line: string) => console.error(`· ${line}`);

const SUITES: Record<string, () => Promise<void>> = {
  hash: async () => (await benchHash()).forEach(emit),
  formats: () => benchFormats(emit, log),
  serving: () => benchServing(emit, log),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in SUITES));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}; there are ${Object.keys(SUITES)}.`);
  process.exitCode = 2;
} else {
  for (const [name, suite] of Object.entries(SUITES)) {
    if (wanted.length === 0 || wanted.includes(name)) await suite();
  }
}
