/** A pipeline of three engines on this machine (apps/worker/bench/pipeline.ts as a child process). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startTestServices } from '@blyan/local/test-services';
import type { Result } from './result.ts';

export async function benchPipeline(emit: (result: Result) => void): Promise<void> {
  const root = join(import.meta.dirname, '../../..');
  await using services = await startTestServices();
  const script = join(root, 'apps/worker/bench/pipeline.ts');
  const model = join(root, 'models/blyan-guide');
  const conversations = join(import.meta.dirname, '../fixtures/heldout.jsonl');
  const args = ['--import', 'tsx', script, model, conversations, services.redisUrl];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    emit(JSON.parse(line) as Result);
  }
  const [code] = await exited;
  if (code !== 0) throw new Error(`the pipeline's process ended with ${code}; its error is above`);
}
