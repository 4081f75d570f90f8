/** `npm run admin -- <what> <action> [subject] [options]`, parsed and checked. */
import { parseArgs } from 'node:util';
import { NodeScope } from '@blyan/protocol/register';
import { CommandError } from '../command.ts';

export const USAGE = `Usage: npm run admin -- <what> <action> [options]

  keys list                     [--state active|expired|disabled|revoked] [--search TEXT]
  keys create --name N          [--scopes serve,blobs] [--max-nodes 1] [--expires 90d|never]
                                [--addresses 203.0.113.0/24,2001:db8::/48]
  keys edit KEY                 [--name N] [--max-nodes 1] [--expires 90d|never] [--addresses RANGES|any]
  keys rotate KEY               [--grace 7d]   how long the old secret stays good; 0 ends it at once
  keys disable KEY, keys enable KEY
  keys revoke KEY --confirm N   for good; N is the name of the key

  nodes list
  nodes drain NODE              it finishes its work and takes no more
  nodes evict NODE              it is cut off and may not come back
  nodes lift NODE               undoes both, and a mark

  audit list                    [--search TEXT] [--action key.revoke] [--actor admin|node|command|system]
                                [--limit 50] [--before ID]

  admins list
  admins invite                 a one-time link for one further admin
  admins remove EMAIL

KEY is an id or a name. --json writes one JSON value to the standard output, dates as ISO 8601.
`;

const KEY_STATES = ['active', 'expired', 'disabled', 'revoked'] as const;
const ACTORS = ['admin', 'node', 'command', 'system'] as const;
const DAY_MS = 86_400_000;
const UNIT_MS = { m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS } as const;
const MAX_LIMIT = 200;

/** For each action: whether it takes a subject, and its own options. */
const ACTIONS = {
  'keys list': [false, ['state', 'search']],
  'keys create': [false, ['name', 'scopes', 'max-nodes', 'expires', 'addresses']],
  'keys edit': [true, ['name', 'max-nodes', 'expires', 'addresses']],
  'keys rotate': [true, ['grace']],
  'keys disable': [true, []],
  'keys enable': [true, []],
  'keys revoke': [true, ['confirm']],
  'nodes list': [false, []],
  'nodes drain': [true, []],
  'nodes evict': [true, []],
  'nodes lift': [true, []],
  'audit list': [false, ['search', 'action', 'actor', 'limit', 'before']],
  'admins list': [false, []],
  'admins invite': [false, []],
  'admins remove': [true, []],
} as const satisfies Record<string, readonly [boolean, readonly string[]]>;

export type ActionName = keyof typeof ACTIONS;

export interface AdminArgs {
  action: ActionName;
  json: boolean;
  /** Id, name or address of what it is about; empty for actions without. */
  subject: string;
  options: Partial<Record<OptionName, string>>;
}

type OptionName = (typeof ACTIONS)[ActionName][1][number];

const OPTIONS = {
  ...Object.fromEntries(
    Object.values(ACTIONS).flatMap(([, names]) => names.map((name) => [name, { type: 'string' }])),
  ),
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as Record<OptionName, { type: 'string' }> & {
  json: { type: 'boolean' };
  help: { type: 'boolean'; short: 'h' };
};

/** null when help is asked for. @throws CommandError */
export function parseAdminArgs(args: string[]): AdminArgs | null {
  const { values, positionals } = parse(args);
  const { json = false, help = false, ...options } = values;
  if (help || args.length === 0) return null;
  const [what = '', verb = '', subject, ...rest] = positionals;
  const action = `${what} ${verb}`;
  if (!Object.hasOwn(ACTIONS, action)) throw wrong(`There is no "${action.trim()}".`);
  const [takesSubject, allowed] = ACTIONS[action as ActionName];
  if ((subject !== undefined) !== takesSubject || rest.length > 0)
    throw wrong(`"${action}" takes ${takesSubject ? 'one name or id' : 'no name'}.`);
  const known: readonly string[] = allowed;
  const stray = Object.keys(options).find((name) => !known.includes(name));
  if (stray) throw wrong(`--${stray} does not go with "${action}".`);
  return { action: action as ActionName, json, subject: subject ?? '', options };
}

const wrong = (what: string) => new CommandError(`${what}\n\n${USAGE}`);

function parse(args: string[]) {
  try {
    return parseArgs({ args, allowPositionals: true, options: OPTIONS });
  } catch (error) {
    throw wrong((error as Error).message);
  }
}

/** `30d`, `12h`, `0`: milliseconds. @throws CommandError */
export function parseSpan(option: string, text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,5}(?:\.\d{1,3})?)([mhdw]?)$/.exec(text) ?? [];
  if (number === '' || (unit === '' && Number(number) !== 0))
    throw new CommandError(`--${option} ${text}: expected a time such as 12h, 30d or 0.`);
  return Number(number) * UNIT_MS[(unit || 'd') as keyof typeof UNIT_MS];
}

export const parseGraceDays = (text: string): number => parseSpan('grace', text) / DAY_MS;

export const parseExpiry = (text: string, now: number): Date | null =>
  text === 'never' ? null : new Date(now + parseSpan('expires', text));

/** `any`, or ranges with commas between. */
export const parseAddresses = (text: string): string[] =>
  text === 'any'
    ? []
    : text
        .split(',')
        .map((range) => range.trim())
        .filter(Boolean);

export const parseScopes = (text: string): NodeScope[] =>
  text.split(',').map((scope) => oneOf('scopes', scope.trim(), NodeScope.options));

export const parseKeyState = (text: string) => oneOf('state', text, KEY_STATES);
export const parseActor = (text: string) => oneOf('actor', text, ACTORS);

export const parseLimit = (text: string): number => wholeNumber('limit', text, MAX_LIMIT);

/** @throws CommandError unless it is a whole number from 1 to `max` */
export function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= 1 && value <= max) return value;
  throw new CommandError(`--${option} ${text}: expected a whole number from 1 to ${max}.`);
}

function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found) return found;
  throw new CommandError(`--${option} ${text}: expected one of ${allowed.join(', ')}.`);
}
