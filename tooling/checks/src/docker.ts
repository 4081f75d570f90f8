/** Reads the Dockerfiles and docker-compose.yml, to hold them to the repository without an engine. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { NOT_IN_WORKER } from './rules.ts';

export interface Instruction {
  name: string;
  args: string;
}

/** Instructions with their continuation lines joined; comments dropped. */
export function readDockerfile(text: string): Instruction[] {
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [name = '', ...rest] = line.trim().split(/\s+/);
      return { name: name.toUpperCase(), args: rest.join(' ') };
    });
}

/** Sources of COPY from the build context (not from another stage). */
export function copySources(instructions: Instruction[]): string[] {
  return instructions
    .filter(({ name, args }) => name === 'COPY' && !args.startsWith('--from='))
    .flatMap(({ args }) => args.split(' ').slice(0, -1));
}

interface LockEntry {
  link?: boolean;
  resolved?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

/**
 * What `npm ci --omit=dev --workspace=<dir>` installs: folders of package-lock.json, found as Node
 * finds them, from the innermost node_modules outwards.
 */
export function productionModules(root: string, dir: string): Set<string> {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>;
  };
  const find = (from: string, name: string): string | null => {
    for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      const candidate = `${at ? `${at}/` : ''}node_modules/${name}`;
      if (packages[candidate]) return candidate;
      if (at === '') return null;
    }
  };
  const found = new Set<string>();
  const visit = (where: string): void => {
    const entry = packages[where];
    const required = Object.keys(entry?.peerDependencies ?? {}).filter(
      (name) => !entry?.peerDependenciesMeta?.[name]?.optional,
    );
    for (const name of [
      ...Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies }),
      ...required,
    ]) {
      const at = find(where, name);
      if (!at || found.has(at)) continue;
      found.add(at);
      const target = packages[at];
      visit(target?.link && target.resolved ? target.resolved : at);
    }
  };
  visit(dir);
  return found;
}

export const databaseModules = (modules: Iterable<string>): string[] =>
  [...modules].filter((where) => {
    const name = where.slice(where.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return NOT_IN_WORKER.packages.test(name) || name === '@blyan/db';
  });

export interface Compose {
  services: Record<
    string,
    {
      image?: string;
      build?: { context: string; dockerfile: string; target?: string };
      environment?: Record<string, string>;
      command?: unknown[];
      healthcheck?: { test: unknown[] };
      networks?: string[];
      depends_on?: Record<string, unknown>;
      volumes?: string[];
      stop_grace_period?: string;
      mem_limit?: string;
      pids_limit?: number;
      logging?: { options: Record<string, string> };
      secrets?: string[];
    }
  >;
  networks: Record<string, unknown>;
  volumes: Record<string, unknown>;
  secrets?: Record<string, { file: string }>;
}

export const readCompose = (root: string, file = 'docker-compose.yml'): Compose =>
  parse(readFileSync(path.join(root, file), 'utf8'), { merge: true }) as Compose;

/**
 * `${NAME}`, `${NAME:-default}`, `${NAME:+instead}` and `${NAME:?message}` as compose replaces them; `$$` is
 * a dollar.
 */
export function substitute(text: string, env: Record<string, string>): string {
  return text
    .replaceAll(
      /(?<!\$)\$\{(\w+)(?::([-+?])([^}]*))?\}/g,
      (_, name: string, kind, rest: string) => {
        const value = env[name];
        if (kind === '+') return value ? rest : '';
        if (value) return value;
        if (kind === '-') return rest;
        throw new Error(`${name} is not set`);
      },
    )
    .replaceAll('$$', '$');
}
