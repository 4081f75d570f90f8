/** A program that answers lines of JSON with lines of JSON, one each, in order. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

export interface JsonChild extends AsyncDisposable {
  /** The first line, which the program says by itself. */
  hello: Record<string, unknown>;
  call<T>(command: object): Promise<T>;
  /** Most bytes of memory that the process ever had (VmHWM); NaN where there is no /proc. */
  peakMemory(): Promise<number>;
}

/**
 * @param nodeArgs those before the program
 * @throws Error when the program ends before it said its first line
 */
export async function startJsonChild(
  cwd: string,
  args: string[],
  nodeArgs: string[] = ['--import', 'tsx'],
): Promise<JsonChild> {
  const child = spawn(process.execPath, [...nodeArgs, ...args], {
    cwd,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${args[0]} ended; its error is above`);
    return JSON.parse(value);
  };
  return {
    hello: await read(),
    call(line) {
      child.stdin.write(`${JSON.stringify(line)}\n`);
      return read();
    },
    async peakMemory() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}
