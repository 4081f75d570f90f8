/**
 * Our engine behind lines of JSON, for `npm run bench -- engine`; tooling/bench/src/engine/llama.ts
 * answers the same ones for llama.cpp.
 *
 *   {"op":"prefill","prompts":[[ids]]}  -> {"ms": n, "kvBytes": n}
 *   {"op":"decode","steps":n}           -> {"ms": [each step], "tokens": [of each sequence, each step]}
 *   {"op":"rewind","length":n}          -> {}
 *
 * The first line is what loading took. Arguments: directory, threads, slots.
 */
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { load } from './ours.ts';

const Command = z.discriminatedUnion('op', [
  z.object({ op: z.literal('prefill'), prompts: z.array(z.array(z.number().int()).min(1)) }),
  z.object({ op: z.literal('decode'), steps: z.number().int().min(1) }),
  z.object({ op: z.literal('rewind'), length: z.number().int().min(0) }),
]);

const [dir, threads, slots] = process.argv.slice(2);
if (!dir || !threads || !slots) throw new Error('see the head of this file');
const { engine, ...figures } = await load(dir, Number(threads), Number(slots));

async function answer(command: z.infer<typeof Command>): Promise<object> {
  if (command.op === 'rewind') {
    engine.rewind(command.length);
    return {};
  }
  const start = performance.now();
  if (command.op === 'prefill') {
    await engine.prefill(command.prompts);
    return { ms: performance.now() - start, kvBytes: engine.kvBytes };
  }
  const ms: number[] = [];
  const tokens: number[][] = [];
  for (let i = 0; i < command.steps; i++) {
    const before = performance.now();
    tokens.push(await engine.step());
    ms.push(performance.now() - before);
  }
  return { ms, tokens };
}

console.log(JSON.stringify(figures));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(Command.parse(JSON.parse(line)))));
}
await engine[Symbol.asyncDispose]();
