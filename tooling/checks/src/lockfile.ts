/**
 * package-lock.json must name the binaries of every platform: `npm ci` refuses one that does not, and
 * npm forgets them when it resolves against an existing node_modules or a registry that lacks some.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface LockEntry {
  version?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  license?: string;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  engines?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}
export type LockPackages = Record<string, LockEntry>;

export interface Missing {
  /** Folder of the package that asks for it. */
  where: string;
  name: string;
  range: string;
}

/** Optional dependencies without an entry, found as Node finds them: from the inside outwards. */
export function missingFromLock(packages: LockPackages): Missing[] {
  const missing: Missing[] = [];
  for (const [where, entry] of Object.entries(packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      let at = where;
      let found = `node_modules/${name}` in packages;
      while (!found && at !== '') {
        found = `${at}/node_modules/${name}` in packages;
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
      }
      if (!found) missing.push({ where, name, range });
    }
  }
  return missing;
}

export const lockPath = (root: string) => path.join(root, 'package-lock.json');

export const readLock = (root: string) =>
  JSON.parse(readFileSync(lockPath(root), 'utf8')) as { packages: LockPackages };

export async function checkLockfile(root: string): Promise<string[]> {
  const missing = missingFromLock(readLock(root).packages);
  if (missing.length === 0) return [];
  return [
    ...missing.map(
      ({ where, name }) => `${name}, an optional dependency of ${where}, is not in the lock`,
    ),
    'npm forgot them; put them back with: npm run check -- package-lock --fix',
  ];
}
