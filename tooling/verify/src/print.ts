/** Steps as lines, and on a terminal a line of progress that is written over. */
import { type Progress, STEPS, type Step, type Subject, type Verdict } from '@blyan/chain/walk';

/** Lines of progress a second that a reader can follow. */
const PROGRESS_MS = 200;

const MIB = 2 ** 20;
function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < MIB ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`;
}
const rateText = (bytes: number, ms: number) =>
  ms > 0 ? `${bytesText((1000 * bytes) / ms)}/s` : '';
const timeText = (ms: number) =>
  ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;

function subjectText(subject: Subject): string {
  const { chain, height, size, hash, root, chunk, tensor, file, model, group } = subject;
  const block = chain && (height === undefined ? chain : `${chain}${height}`);
  return [
    tensor ?? file ?? model,
    chunk === undefined ? undefined : `chunk ${chunk}`,
    block && (size === undefined ? block : `${block}, ${size} blocks`),
    group,
    (hash ?? root)?.slice(0, 12),
  ]
    .filter((part) => part !== undefined)
    .join(' ');
}

export class Printer {
  readonly #out: NodeJS.WritableStream;
  /** Where progress is written over; null where nobody looks. */
  readonly #live: NodeJS.WritableStream | null;
  #shown = 0;
  #dirty = false;
  readonly #started = performance.now();

  constructor(out: NodeJS.WritableStream, live: NodeJS.WritableStream | null) {
    this.#out = out;
    this.#live = live;
  }

  progress({ step, done, total, unit }: Progress): void {
    const now = performance.now();
    if (!this.#live || now - this.#shown < PROGRESS_MS) return;
    this.#shown = now;
    this.#dirty = true;
    const amount =
      unit === 'bytes' ? `${bytesText(done)} of ${bytesText(total)}` : `${done} of ${total} blocks`;
    const rate = unit === 'bytes' ? rateText(done, now - this.#started) : '';
    this.#live.write(`\r\x1b[K  … ${step.padEnd(11)}${amount} ${rate}`);
  }

  step({ step, ok, subject, bytes, ms, problem }: Step): void {
    this.#clear();
    const amount = bytes > 0 ? `${bytesText(bytes)} in ${timeText(ms)}` : timeText(ms);
    this.#out.write(`${ok ? '✓' : '✗'} ${step.padEnd(11)}${subjectText(subject)}  ${amount}\n`);
    if (problem) this.#out.write(`  ${problem.message}\n`);
  }

  verdict({ ok, failed, steps, bytes, ms }: Verdict): void {
    this.#clear();
    const sum = `${steps} steps, ${bytesText(bytes)} in ${timeText(ms)}, ${rateText(bytes, ms)}`;
    if (ok) this.#out.write(`Everything holds: ${sum}\n`);
    else if (failed?.problem?.code === 'SOURCE_FAILED') {
      this.#out.write(
        `Not checked to the end: the node did not give what was asked for (${sum})\n`,
      );
    } else if (failed) {
      this.#out.write(
        `Does NOT hold, at the step "${failed.step}": not so that ${STEPS[failed.step]}\n`,
      );
    }
  }

  #clear(): void {
    if (this.#dirty) this.#live?.write('\r\x1b[K');
    this.#dirty = false;
  }
}
