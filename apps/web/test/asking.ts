/** What taking in a question needs: the embedded model, and a node that says that it serves it. Nobody answers. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readModelFiles } from '@blyan/model/files';
import { createTemplate } from '@blyan/model/template';
import { createTokenizer } from '@blyan/model/tokenizer';
import { writeCluster } from '@blyan/queue/cluster';
import type { Context } from '../src/server/context.ts';
import type { ListedModel } from '../src/server/model/catalog.ts';
import type { ServedModel } from '../src/server/model/served.ts';

const DIRECTORY = path.resolve(import.meta.dirname, '../../../models/blyan-guide');
const FILES = [
  'chat_template.jinja',
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];
const HASH = 'ab'.repeat(32);

export async function readModel(): Promise<ServedModel> {
  const bytes = new Map<string, Uint8Array>();
  for (const name of FILES) bytes.set(name, await readFile(path.join(DIRECTORY, name)));
  const files = readModelFiles(bytes);
  return {
    name: 'blyan-guide',
    hash: HASH,
    block: { height: 1 } as ServedModel['block'],
    context: files.config.context,
    vocab: files.config.vocab,
    generation: files.generation,
    tokenizer: createTokenizer(files),
    template: createTemplate(files),
  };
}

/** The context with this model in the place of the chain's. */
export function withModel(ctx: Context, model: ServedModel): Context {
  const listed: ListedModel = { ...model, retired: false };
  const models = {
    resolve: async () => listed,
    load: async () => model,
    list: async () => [listed],
  };
  return { ...ctx, models: models as unknown as Context['models'] };
}

/** For the next seconds a node serves the model. */
export async function serve({ redis }: Context): Promise<void> {
  const status = {
    type: 'status' as const,
    boot: '1',
    version: '0.1.0',
    state: 'ready' as const,
    model: HASH,
    slots: 2,
  };
  const at = Date.now();
  await writeCluster(
    redis,
    { token: BigInt(at), deposed: () => undefined },
    {
      at,
      waiting: 0,
      running: 0,
      nodes: [{ id: 'node-a', alive: true, serving: true, seen: at, running: 0, status }],
    },
  );
}
