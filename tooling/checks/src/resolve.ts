/** Resolves what our files import: relative paths, our packages, `#` and `@/` names, packages of npm. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { PARTS } from './rules.ts';

export type Target =
  | { kind: 'file'; file: string }
  | { kind: 'npm'; name: string }
  | { kind: 'node'; name: string }
  | { kind: 'missing'; why: string };

interface Manifest {
  exports?: Record<string, unknown>;
  imports?: Record<string, unknown>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

export const readManifest = (root: string, dir: string): Manifest =>
  JSON.parse(readFileSync(path.join(root, dir, 'package.json'), 'utf8')) as Manifest;

export const partOf = (file: string): string | null =>
  Object.entries(PARTS).find(([, { dir }]) => file.startsWith(`${dir}/`))?.[0] ?? null;

/** All files that a map entry may stand for, whatever the conditions. */
function targets(entry: unknown): string[] {
  if (typeof entry === 'string') return [entry];
  if (typeof entry !== 'object' || entry === null) return [];
  return Object.values(entry).flatMap(targets);
}

function lookUp(map: Record<string, unknown> | undefined, key: string): string[] {
  for (const [pattern, entry] of Object.entries(map ?? {})) {
    if (pattern === key) return targets(entry);
    const [before, after] = pattern.split('*');
    if (before === undefined || after === undefined) continue;
    if (key.startsWith(before) && key.endsWith(after) && key.length > pattern.length - 1) {
      const star = key.slice(before.length, key.length - after.length);
      return targets(entry).map((target) => target.replace('*', star));
    }
  }
  return [];
}

/**
 * Files that the package's "imports" map picks under the condition "node", and `*.node.ts` that it exports
 * by a path of their own: what runs in browsers does not name those.
 */
export function nodeOnlyFiles(root: string, dir: string): Set<string> {
  const { imports, exports } = readManifest(root, dir);
  const named = Object.values(exports ?? {}).flatMap(targets);
  const found = new Set(
    named.filter((f) => f.endsWith('.node.ts')).map((f) => path.posix.join(dir, f)),
  );
  for (const entry of Object.values(imports ?? {})) {
    const node = (entry as Record<string, unknown>).node;
    for (const target of targets(node)) found.add(path.posix.join(dir, target));
  }
  return found;
}

const EXTENSIONS = ['', '.ts', '.tsx', '.mts', '.js', '.mjs', '/index.ts', '/index.tsx'];

function file(root: string, relative: string): Target {
  for (const extension of EXTENSIONS) {
    const full = path.join(root, relative + extension);
    if (existsSync(full) && statSync(full).isFile()) {
      return { kind: 'file', file: path.posix.normalize(relative + extension) };
    }
  }
  return { kind: 'missing', why: `${relative} does not exist` };
}

export function resolveImport(root: string, from: string, specifier: string): Target[] {
  const clean = specifier.split('?')[0] ?? specifier;
  if (clean.startsWith('.')) return [file(root, path.posix.join(path.posix.dirname(from), clean))];
  const part = partOf(from);
  const home = part ? PARTS[part]?.dir : undefined;
  if (clean.startsWith('#') && home) {
    const found = lookUp(readManifest(root, home).imports, clean);
    if (found.length === 0) return [{ kind: 'missing', why: `${clean} is not in "imports"` }];
    return found.map((target) =>
      target.startsWith('.')
        ? file(root, path.posix.join(home, target))
        : ({ kind: 'npm', name: packageName(target) } as const),
    );
  }
  if (clean.startsWith('@/') && home)
    return [file(root, path.posix.join(home, 'src', clean.slice(2)))];
  const ours = /^@blyan\/([^/]+)(?:\/(.*))?$/.exec(clean);
  if (ours) {
    const other = PARTS[ours[1] ?? ''];
    if (!other) return [{ kind: 'missing', why: `${clean}: there is no such package of ours` }];
    const found = lookUp(readManifest(root, other.dir).exports, ours[2] ? `./${ours[2]}` : '.');
    if (found.length === 0) return [{ kind: 'missing', why: `${clean} is not exported` }];
    return found.map((target) => file(root, path.posix.join(other.dir, target)));
  }
  const bare = clean.replace(/^node:/, '');
  if (clean.startsWith('node:') || builtinModules.includes(bare)) {
    return [{ kind: 'node', name: bare }];
  }
  return [{ kind: 'npm', name: packageName(clean) }];
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
