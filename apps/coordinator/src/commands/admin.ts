import { userInfo } from 'node:os';
import { createDb } from '@blyan/db/client';
import { connect, disconnect } from '@blyan/queue/connection';
import { pino } from 'pino';
import { parseAdminArgs, USAGE } from './admin/args.ts';
import { runAdmin } from './admin/run.ts';
import { commandEnv, runCommand } from './command.ts';

await runCommand(async () => {
  const args = parseAdminArgs(process.argv.slice(2));
  if (!args) {
    process.stdout.write(USAGE);
    return;
  }
  const env = commandEnv();
  const db = createDb(env.DATABASE_URL, { poolSize: 1 });
  const logger = pino({ level: 'warn' }, pino.destination(2));
  const redis = connect(env.REDIS_URL, { name: 'admin', logger, use: 'request' });
  try {
    const actor = { kind: 'command', id: userInfo().username } as const;
    const publicUrl = env.BLYAN_PUBLIC_URL ?? 'http://127.0.0.1:8000';
    const { value, text } = await runAdmin(args, { db, redis, actor, publicUrl });
    process.stdout.write(`${args.json ? JSON.stringify(value) : text}\n`);
  } finally {
    await disconnect(redis);
    await db.$disconnect();
  }
});
