/** `.env.example` is documentation that must be true: every value in it passes every app's schema. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseEnv } from 'node:util';
import { glob } from 'tinyglobby';

/** Optional variables are commented out in the file; here their examples count too. */
export function exampleVariables(root: string): Record<string, string> {
  const text = readFileSync(path.join(root, '.env.example'), 'utf8');
  return parseEnv(text.replace(/^# ?([A-Z][A-Z0-9_]*=)/gm, '$1')) as Record<string, string>;
}

const NAME = /\b(BLYAN_[A-Z_]+|HF_[A-Z_]+|[A-Z_]+_(?:URL|CA|SECRET)|PORT|HOST)\b(?=\s*:)/g;

/** Names of variables that a file reads, by how they are written in a schema. */
export function namesIn(text: string): string[] {
  const names = text.match(NAME) ?? [];
  return [...new Set(names)];
}

export async function checkEnvExample(root: string): Promise<string[]> {
  const problems: string[] = [];
  const example = exampleVariables(root);
  const files = await glob(['apps/*/src/env.ts', 'tooling/local/src/env.ts'], { cwd: root });
  for (const app of ['web', 'coordinator', 'worker']) {
    if (!existsSync(path.join(root, 'apps', app, 'src', 'env.ts'))) {
      problems.push(`apps/${app}/src/env.ts is missing`);
    }
  }
  for (const file of files.sort()) {
    const full = path.join(root, file);
    for (const name of namesIn(readFileSync(full, 'utf8'))) {
      if (!(name in example))
        problems.push(`${file} reads ${name}, which .env.example does not show`);
    }
    const module = (await import(pathToFileURL(full).href)) as Record<string, unknown>;
    try {
      if (file.startsWith('tooling/')) {
        (module.readEnv as (root: string, source: object) => unknown)(root, example);
        continue;
      }
      const read = module.readEnv ?? module.readConfig;
      if (typeof read === 'function') read(example);
      else problems.push(`${file} exports no readEnv(source)`);
    } catch (error) {
      problems.push(`.env.example does not pass ${file}: ${(error as Error).message}`);
    }
  }
  return problems;
}
