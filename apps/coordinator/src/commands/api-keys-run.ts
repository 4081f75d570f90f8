/** `npm run api-keys -- create|list|revoke`: what it takes and what it does. */
import { parseArgs } from 'node:util';
import { createApiKey, listApiKeys, type NewApiKey, revokeApiKey } from '@blyan/db/api-keys';
import type { ApiKey, Db } from '@blyan/db/client';
import { CommandError } from './command.ts';

/** Five times and ten times what an address gets without a key. */
const DEFAULT_REQUESTS = 6000;
const DEFAULT_TOKENS = 20_000_000;
/** PostgreSQL's integer. */
const MAX_LIMIT = 2 ** 31 - 1;
const MAX_NAME = 100;
const MAX_DAYS = 36_500;
const DAY_MS = 86_400_000;

const USAGE = `Usage: npm run api-keys -- <command>

  create <name>    makes a key and shows it, once
    --requests N   questions a minute; default ${DEFAULT_REQUESTS}, 0 for no limit
    --tokens N     tokens a minute, of prompts and longest answers; default ${DEFAULT_TOKENS}, 0 for no limit
    --days N       how long it is valid; default: until it is revoked
  list             all keys, without what only their owners know
  revoke <id>      ends a key at once; the beginning that \`list\` shows will do
`;

export type KeyCommand =
  | { kind: 'help' }
  | { kind: 'list' }
  | { kind: 'revoke'; which: string }
  | { kind: 'create'; limits: NewApiKey };

/** @param now Unix ms @throws CommandError */
export function parseKeyArgs(args: string[], now: number): KeyCommand {
  const { values, positionals } = parse(args);
  const [command, subject, ...rest] = positionals;
  if (values.help || command === undefined) return { kind: 'help' };
  if (command === 'list' && subject === undefined) return { kind: 'list' };
  if (subject === undefined || rest.length > 0) throw new CommandError(USAGE);
  if (command === 'revoke') return { kind: 'revoke', which: subject };
  if (command !== 'create') throw new CommandError(USAGE);
  if (!/^[^\p{Cc}]+$/u.test(subject) || subject.length > MAX_NAME)
    throw new CommandError(`A name has 1 to ${MAX_NAME} characters.`);
  const days = values.days === undefined ? null : number('days', values.days, 1, MAX_DAYS);
  return {
    kind: 'create',
    limits: {
      name: subject,
      requestsPerMinute: number('requests', values.requests ?? DEFAULT_REQUESTS, 0, MAX_LIMIT),
      tokensPerMinute: number('tokens', values.tokens ?? DEFAULT_TOKENS, 0, MAX_LIMIT),
      expiresAt: days === null ? null : new Date(now + days * DAY_MS),
    },
  };
}

function parse(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { requests: text, tokens: text, days: text, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

function number(name: string, value: string | number, min: number, max: number): number {
  const read = /^\d+$/.test(String(value)) ? Number(value) : Number.NaN;
  if (!(read >= min && read <= max))
    throw new CommandError(`--${name} ${value}: expected a number from ${min} to ${max}.`);
  return read;
}

/** @returns what is to be printed @throws CommandError */
export async function runKeyCommand(command: KeyCommand, db: Db): Promise<string> {
  switch (command.kind) {
    case 'help':
      return USAGE;
    case 'create': {
      const { key } = await createApiKey(db, command.limits);
      return `${key}\nKeep it: it cannot be shown again. Clients send it as "Authorization: Bearer ...".\n`;
    }
    case 'list': {
      const rows = await listApiKeys(db);
      return rows.length === 0 ? 'There are no keys.\n' : `${rows.map(line).join('\n')}\n`;
    }
    case 'revoke': {
      const rows = await revokeApiKey(db, command.which);
      if (rows.length === 0)
        throw new CommandError(`There is no valid key ${command.which}: see \`list\`.`);
      return rows.map(({ prefix, name }) => `Revoked ${prefix}… (${name}).\n`).join('');
    }
  }
}

function line(row: ApiKey): string {
  const limit = (value: number) => (value === 0 ? 'any number of' : String(value));
  const state = row.revokedAt
    ? `revoked ${day(row.revokedAt)}`
    : row.expiresAt
      ? `valid until ${day(row.expiresAt)}`
      : 'valid';
  return `${row.id}  ${row.prefix}…  ${state}  ${limit(row.requestsPerMinute)} requests, ${limit(row.tokensPerMinute)} tokens a minute  ${row.name}`;
}

const day = (date: Date) => date.toISOString().slice(0, 10);
