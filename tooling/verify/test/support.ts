/** The node of walks.json behind a real socket, and the two verifiers as commands. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  type Answers,
  recordedNode,
  type WalkCase,
  type WalkVectors,
} from '../../../packages/chain/test/recorded.ts';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const VECTORS = `${ROOT}packages/chain/vectors`;
const walks: WalkVectors = JSON.parse(readFileSync(`${VECTORS}/walks.json`, 'utf8'));
export const { genesis } = walks;

export function caseOf(name: string): WalkCase {
  const found = walks.cases.find((entry) => entry.name === name);
  if (!found) throw new Error(`no case ${name}`);
  return found;
}

/** Serves the recorded answers with those of a case; ranges as a main node has them. */
export async function serve(change: Answers = {}): Promise<AsyncDisposable & { url: string }> {
  const node = recordedNode({ ...walks.answers, ...change });
  const server = createServer(async (request, response) => {
    const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const range = start ? { start: Number(start), end: Number(last) + 1 } : undefined;
    try {
      const options = { maxBytes: Number.MAX_SAFE_INTEGER, ...(range ? { range } : {}) };
      const bytes = await node(request.url ?? '/', options);
      response.writeHead(range ? 206 : 200).end(bytes);
    } catch {
      response.writeHead(404).end('{"error":{"message":"There is nothing here."}}');
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Ended {
  code: number;
  out: string;
  err: string;
}

export async function run(command: string, args: string[]): Promise<Ended> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const missing = once(child, 'error').then(([error]) => {
    throw new Error(`${command} cannot be run (${error}): sudo apt-get install -y ${command}`);
  });
  const [code] = (await Promise.race([once(child, 'close'), missing])) as [number];
  return { code, out, err };
}

/** -B: no caches beside the sources. */
export const python = (args: string[]) =>
  run('python3', ['-B', `${ROOT}verifiers/python/verify.py`, ...args]);

/** The arguments that both verifiers take for a case. */
export function argumentsOf({ target, maxFollowed }: WalkCase): string[] {
  const prove = maxFollowed === 0 ? ['--prove'] : [];
  switch (target.kind) {
    case 'block':
      return [...prove, '--block', target.hash];
    case 'tensor':
      return [
        ...prove,
        ...['--tensor', target.root],
        ...(target.chunk === undefined ? [] : ['--chunk', `${target.chunk}`]),
      ];
    case 'model':
      return [...prove, '--model', target.model];
    case 'chains':
      return ['--all'];
  }
}
