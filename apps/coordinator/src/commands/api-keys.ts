import { createDb } from '@blyan/db/client';
import { parseKeyArgs, runKeyCommand } from './api-keys-run.ts';
import { commandEnv, runCommand } from './command.ts';

await runCommand(async () => {
  const command = parseKeyArgs(process.argv.slice(2), Date.now());
  const db = createDb(commandEnv().DATABASE_URL);
  try {
    process.stdout.write(await runKeyCommand(command, db));
  } finally {
    await db.$disconnect();
  }
});
