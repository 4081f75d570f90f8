/**
 * package-lock.json must name the binaries of every platform: `npm ci` refuses one that does not, and
 * npm forgets them when it resolves against an existing node_modules or a registry that lacks some.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

interface Entry {
  optionalDependencies?: Record<string, string>;
}

export function missingFromLock(packages: Record<string, Entry>): string[] {
  const problems: string[] = [];
  for (const [where, entry] of Object.entries(packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      let at = where;
      let found = `node_modules/${name}` in packages;
      while (!found && at !== '') {
        found = `${at}/node_modules/${name}` in packages;
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
      }
      if (!found) problems.push(`${name}, an optional dependency of ${where}, is not in the lock`);
    }
  }
  return problems;
}

export async function checkLockfile(root: string): Promise<string[]> {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Entry>;
  };
  return missingFromLock(lock.packages);
}
