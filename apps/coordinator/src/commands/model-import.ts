import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { appendPort } from '@blyan/db/chain';
import { createDb } from '@blyan/db/client';
import { genesisHash } from '@blyan/db/genesis';
import { downloadFromHub } from '@blyan/model/hub';
import { importModel } from '@blyan/model/import';
import { BlobStore } from '@blyan/store/blob-store';
import type { Env } from '../env.ts';
import { authorityKeyPath, readAuthorityKey } from './authority-key.ts';
import { CommandError, commandEnv, runCommand } from './command.ts';
import { type ImportArgs, parseImportArgs, USAGE } from './import-args.ts';
import { duration, ProgressLine } from './progress-line.ts';

await runCommand(async (signal) => {
  const args = await parseImportArgs(process.argv.slice(2), process.cwd());
  if (!args) {
    process.stdout.write(USAGE);
    return;
  }
  const env = commandEnv();
  const key = await readAuthorityKey(authorityKeyPath(env.BLYAN_DATA_DIR));
  if (!key) {
    const path = authorityKeyPath(env.BLYAN_DATA_DIR);
    throw new CommandError(
      `There is no authority key at ${path}. Run \`npm start\` once; it makes one.`,
    );
  }
  const started = performance.now();
  const line = new ProgressLine(process.stdout);
  const db = createDb(env.DATABASE_URL);
  try {
    if (!(await genesisHash(db))) {
      throw new CommandError(
        'The database has no genesis blocks. Run `npm start` once; it makes them.',
      );
    }
    const store = await BlobStore.open(env.BLYAN_BLOB_DIR);
    await store.protect();
    const source = await fetchSource(args, env, line, signal);
    const result = await importModel(
      source.dir,
      {
        name: args.name,
        format: args.format,
        source,
        signal,
        onProgress: ({ phase, item, doneBytes, totalBytes }) => {
          if (phase === 'weights') line.update('import  ', item, doneBytes, totalBytes);
        },
      },
      {
        store,
        chain: appendPort(db, key),
        journalDir: join(env.BLYAN_DATA_DIR, 'imports'),
      },
    );
    const { modelBlock, layerBlocks, parameters, storedBytes } = result;
    const seconds = (performance.now() - started) / 1000;
    const where = `A/${modelBlock.height} ${toHex(modelBlock.hash)}`;
    line.done(
      result.reused
        ? `${args.name} is already on chain: model block ${where}`
        : `${args.name} is on chain: model block ${where}`,
    );
    process.stdout.write(
      `${parameters.toLocaleString('en')} parameters, ${layerBlocks.length} layer blocks, ${(storedBytes / 2 ** 20).toFixed(1)} MiB stored, ${duration(seconds)}\n`,
    );
  } finally {
    await db.$disconnect();
  }
});

/** A directory as it is, or the hub's files once they are here and verified. */
async function fetchSource(args: ImportArgs, env: Env, line: ProgressLine, signal: AbortSignal) {
  if (args.kind === 'directory') return { dir: args.dir, repository: null, revision: null };
  const { dir, commit, sha256 } = await downloadFromHub({
    id: args.id,
    revision: args.revision,
    endpoint: env.HF_ENDPOINT,
    token: env.HF_TOKEN ?? null,
    dir: join(env.BLYAN_DATA_DIR, 'downloads'),
    signal,
    onProgress: ({ file, doneBytes, totalBytes }) =>
      line.update('download', file, doneBytes, totalBytes),
  });
  line.done(`downloaded to ${dir}, which can be deleted after the import`);
  return { dir, repository: args.id, revision: commit, sha256 };
}
