/** What the person at the terminal sees: one line a step, rewritten in place on a terminal. */

interface Step {
  /** Progress inside the step. */
  update(detail: string): void;
}

export interface Reporter {
  step<T>(
    label: string,
    work: (step: Step) => Promise<T>,
    done?: (result: T) => string,
  ): Promise<T>;
  line(text: string): void;
}

/** How often progress is repeated where lines cannot be rewritten (CI, a log file). */
const PLAIN_INTERVAL_MS = 5_000;

export const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

export function createReporter(out: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Reporter {
  const live = Boolean(out.isTTY) && !env.CI;
  let shown = '';
  const clear = () => {
    if (shown) out.write('\r\x1b[K');
    shown = '';
  };
  const line = (text: string) => {
    clear();
    out.write(`${text}\n`);
  };
  const draw = (text: string) => {
    if (text === shown) return;
    clear();
    // A pseudo-terminal without a size says 0.
    const width = Math.max(20, (out.columns || 80) - 1);
    out.write(text.length > width ? `${text.slice(0, width - 1)}…` : text);
    shown = text;
  };
  return {
    line,
    async step(label, work, done) {
      const started = Date.now();
      let printed = started;
      if (live) draw(`· ${label}`);
      const result = await work({
        update(detail) {
          if (live) return draw(`· ${label}: ${detail}`);
          if (Date.now() - printed < PLAIN_INTERVAL_MS) return;
          printed = Date.now();
          line(`· ${label}: ${detail}`);
        },
      });
      line(`✓ ${done ? done(result) : label} (${seconds(Date.now() - started)})`);
      return result;
    },
  };
}
