/** The bare engine (apps/worker/bench/engine.ts) as a child process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface BareEngineOptions {
  root: string;
  mainUrl: string;
  genesis: string;
  blobDir: string;
  model: string;
}

export interface Generation {
  /** Until the first token. */
  firstMs: number;
  /** Of all tokens behind the first. */
  decodeMs: number;
  tokens: number;
}

export interface BareEngine extends AsyncDisposable {
  vocab: number;
  generate(prompt: number[], tokens: number): Promise<Generation>;
  /** Seconds for the whole stage load, and of the session creation inside it. */
  load(): Promise<{ stage: number; session: number; bytes: number }>;
}

export async function startBareEngine(options: BareEngineOptions): Promise<BareEngine> {
  const { root, mainUrl, genesis, blobDir, model } = options;
  const script = join(root, 'apps/worker/bench/engine.ts');
  const args = ['--import', 'tsx', script, mainUrl, genesis, blobDir, model, '0'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the bare engine ended; its error is above');
    return JSON.parse(value);
  };
  const call = (command: object) => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    return read();
  };
  const { vocab } = await read();
  return {
    vocab,
    generate: (prompt, tokens) => call({ op: 'generate', prompt, tokens }),
    load: () => call({ op: 'load' }),
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}
