import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint.ts';
import { downloadFromHub, type HubDownload, readHubConfig } from '../src/hub.ts';
import { writeCheckpoint } from '../src/testing.ts';

const COMMIT = 'a'.repeat(40);
const ID = 'org/some-model';

interface Hub extends AsyncDisposable {
  endpoint: string;
  /** Method of the hub or of its storage, path and the headers that matter. */
  requests: { host: 'hub' | 'storage'; path: string; range?: string; authorization?: string }[];
  files: Map<string, Uint8Array>;
  /** Answers a request in place of the server; true when it did. */
  intercept: (
    host: 'hub' | 'storage',
    path: string,
    req: IncomingMessage,
    res: ServerResponse,
  ) => boolean;
}

const listen = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** Weights are kept on a storage server of another port, as the hub does; small files on the hub itself. */
async function startHub(files: Map<string, Uint8Array>): Promise<Hub> {
  const hub: Hub = {
    endpoint: '',
    requests: [],
    files,
    intercept: () => false,
    async [Symbol.asyncDispose]() {
      for (const server of [api, storage]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
  const note = (host: 'hub' | 'storage', req: IncomingMessage, res: ServerResponse) => {
    const path = decodeURIComponent(req.url ?? '');
    const { range, authorization } = req.headers;
    hub.requests.push({
      host,
      path,
      ...(range && { range }),
      ...(authorization && { authorization }),
    });
    return hub.intercept(host, path, req, res);
  };
  const storage = createServer((req, res) => {
    if (!note('storage', req, res)) sendFile(files.get(req.url!.slice(1)), req, res);
  });
  const storageUrl = await listen(storage);
  const api = createServer((req, res) => {
    if (note('hub', req, res)) return;
    const url = req.url ?? '';
    if (url === `/api/models/${ID}/revision/main?blobs=true`) {
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ sha: COMMIT, siblings: siblings(files) }));
      return;
    }
    const path = url.replace(`/${ID}/resolve/${COMMIT}/`, '');
    if (path.endsWith('.safetensors'))
      res.writeHead(302, { location: `${storageUrl}/${path}` }).end();
    else sendFile(files.get(path), req, res);
  });
  hub.endpoint = await listen(api);
  return hub;
}

function sendFile(bytes: Uint8Array | undefined, req: IncomingMessage, res: ServerResponse): void {
  if (!bytes) return void res.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
  const from = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? -1);
  if (from < 0) return void res.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  if (from >= bytes.length) return void res.writeHead(416).end();
  const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
  res.writeHead(206, { 'content-range': range }).end(bytes.subarray(from));
}

const siblings = (files: Map<string, Uint8Array>) =>
  [...files].map(([rfilename, bytes]) => {
    const size = bytes.length;
    const blobId = createHash('sha1').update(`blob ${size}\0`).update(bytes).digest('hex');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const lfs = rfilename.endsWith('.safetensors')
      ? { lfs: { sha256, size, pointerSize: 134 } }
      : {};
    return { rfilename, size, blobId, ...lfs };
  });

let dir: string;
let hub: Hub;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hub-'));
  const source = await writeCheckpoint(join(dir, 'source'), { shards: 2 });
  const files = new Map<string, Uint8Array>([['README.md', Buffer.from('not wanted')]]);
  for (const name of await readdir(source)) files.set(name, await readFile(join(source, name)));
  hub = await startHub(files);
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const SHARD = 'model-00001-of-00002.safetensors';
const download = (options: Partial<HubDownload> = {}) =>
  downloadFromHub({
    id: ID,
    endpoint: hub.endpoint,
    dir: join(dir, 'downloads'),
    stallMs: 500,
    backoffMs: 1,
    ...options,
  });
const refusal = async (options: Partial<HubDownload> = {}) => {
  const error = await download(options).then(
    () => null,
    (caught: unknown) => caught,
  );
  return error as { code: string; message: string; details: Record<string, unknown> };
};
const partPath = () => join(dir, 'downloads', 'org--some-model', COMMIT, `${SHARD}.part`);
/** Intercepts the first `times` requests for a shard. */
const firstTimes = (times: number, answer: (req: IncomingMessage, res: ServerResponse) => void) => {
  let left = times;
  hub.intercept = (host, path, req, res) => {
    if (host !== 'storage' || path !== `/${SHARD}` || left-- <= 0) return false;
    answer(req, res);
    return true;
  };
};

test('a checkpoint is fetched, pinned to its commit, and found again', async () => {
  const seen: number[] = [];
  const result = await download({ onProgress: ({ doneBytes }) => seen.push(doneBytes) });
  expect(result.commit).toBe(COMMIT);
  expect((await openCheckpoint(result.dir)).tensors.length).toBe(25);
  expect([...result.sha256.keys()]).toEqual([SHARD, 'model-00002-of-00002.safetensors']);
  expect((await readdir(result.dir)).sort()).toEqual(
    [...hub.files.keys()].filter((name) => name !== 'README.md').sort(),
  );
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  hub.requests.length = 0;
  await download();
  expect(hub.requests.map(({ path }) => path)).toEqual([
    `/api/models/${ID}/revision/main?blobs=true`,
  ]);
});

test('config.json alone, verified as everything else', async () => {
  const read = () => readHubConfig({ id: ID, endpoint: hub.endpoint, stallMs: 500, backoffMs: 1 });
  const config = Buffer.from(hub.files.get('config.json')!);
  expect(config.equals(await read())).toBe(true);
  expect(hub.requests.map(({ path }) => path)).toEqual([
    `/api/models/${ID}/revision/main?blobs=true`,
    `/${ID}/resolve/${COMMIT}/config.json`,
  ]);
  hub.intercept = (_, path, _req, res) => {
    if (!path.endsWith('config.json')) return false;
    res.writeHead(200).end(Buffer.alloc(config.length, ' '));
    return true;
  };
  await expect(read()).rejects.toMatchObject({ code: 'HUB_HASH_MISMATCH' });
  hub.files.delete('config.json');
  await expect(read()).rejects.toMatchObject({ code: 'FILE_MISSING' });
});

test('the token goes to the hub, and never to where it redirects', async () => {
  await download({ token: 'hf_secret' });
  for (const { host, authorization } of hub.requests) {
    expect(authorization).toBe(host === 'hub' ? 'Bearer hf_secret' : undefined);
  }
  expect(hub.requests.some(({ host }) => host === 'storage')).toBe(true);
});

describe('connections that fail', () => {
  test('cut half way: it goes on where it stopped', async () => {
    firstTimes(1, (_, res) => {
      const bytes = hub.files.get(SHARD)!;
      res.writeHead(200, { 'content-length': bytes.length });
      res.write(bytes.subarray(0, 10_000), () => res.destroy());
    });
    const { dir: target } = await download();
    expect(await readFile(join(target, SHARD))).toEqual(hub.files.get(SHARD));
    const ranges = hub.requests
      .filter(({ path }) => path === `/${SHARD}`)
      .map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=10000-']);
  });

  test('cut many times: bytes that arrive count as progress', async () => {
    firstTimes(12, (req, res) => {
      const bytes = hub.files.get(SHARD)!;
      const from = Number(/\d+/.exec(req.headers.range ?? '')?.[0] ?? 0);
      res.writeHead(from ? 206 : 200, {
        ...(from && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
        'content-length': bytes.length - from,
      });
      res.write(bytes.subarray(from, from + 1000), () => res.destroy());
    });
    const { dir: target } = await download();
    expect(await readFile(join(target, SHARD))).toEqual(hub.files.get(SHARD));
  });

  test('stalled: it is dropped and tried again', async () => {
    firstTimes(1, (_, res) => {
      res.writeHead(200, { 'content-length': hub.files.get(SHARD)!.length });
      res.write(Buffer.from(hub.files.get(SHARD)!.subarray(0, 100)));
    });
    const { dir: target } = await download();
    expect(await readFile(join(target, SHARD))).toEqual(hub.files.get(SHARD));
  });

  test('a later run goes on with what an earlier one left', async () => {
    firstTimes(100, (_, res) => void res.destroy());
    expect((await refusal()).code).toBe('HUB_UNREACHABLE');
    const bytes = hub.files.get(SHARD)!;
    await writeFile(partPath(), bytes.subarray(0, 20_000));
    hub.intercept = () => false;
    hub.requests.length = 0;
    await download();
    expect(hub.requests.find(({ path }) => path === `/${SHARD}`)?.range).toBe('bytes=20000-');
  });

  test('a server without ranges: it begins anew', async () => {
    await withoutShard();
    await writeFile(partPath(), Buffer.alloc(5000, 1));
    firstTimes(1, (_, res) => void res.writeHead(200).end(hub.files.get(SHARD)));
    const { dir: target } = await download();
    expect(await readFile(join(target, SHARD))).toEqual(hub.files.get(SHARD));
  });

  test('416 for a range: it begins anew', async () => {
    await withoutShard();
    await writeFile(partPath(), Buffer.alloc(5000, 1));
    firstTimes(1, (_, res) => void res.writeHead(416).end());
    const { dir: target } = await download();
    expect(await readFile(join(target, SHARD))).toEqual(hub.files.get(SHARD));
  });

  test('another range than asked for is refused', async () => {
    await withoutShard();
    await writeFile(partPath(), hub.files.get(SHARD)!.subarray(0, 5000));
    firstTimes(1, (_, res) => {
      const { length } = hub.files.get(SHARD)!;
      res.writeHead(206, { 'content-range': `bytes 0-${length - 1}/${length}` });
      res.end(hub.files.get(SHARD));
    });
    expect((await refusal()).code).toBe('HUB_RESPONSE_INVALID');
  });

  /** Leaves the directory with everything but the first shard. */
  async function withoutShard() {
    firstTimes(100, (_, res) => void res.destroy());
    expect((await refusal()).code).toBe('HUB_UNREACHABLE');
  }
});

describe('bytes that are wrong', () => {
  const flipped = () => {
    const bytes = Buffer.from(hub.files.get(SHARD)!);
    bytes[30_000]! ^= 1;
    return bytes;
  };

  test('once: they are fetched again', async () => {
    firstTimes(1, (_, res) => void res.writeHead(200).end(flipped()));
    const { dir: target } = await download();
    expect(await readFile(join(target, SHARD))).toEqual(hub.files.get(SHARD));
  });

  test('always: refused, and nothing has the name of the file', async () => {
    firstTimes(100, (_, res) => void res.writeHead(200).end(flipped()));
    const error = await refusal();
    expect(error.code).toBe('HUB_HASH_MISMATCH');
    expect(error.message).toContain(SHARD);
    const left = await readdir(join(dir, 'downloads', 'org--some-model', COMMIT));
    expect(left.filter((name) => name.startsWith(SHARD))).toEqual([]);
  });

  test('small files are held to their git hash', async () => {
    hub.intercept = (_, path, __, res) => {
      if (!path.endsWith('/config.json')) return false;
      const bytes = Buffer.from(hub.files.get('config.json')!);
      res.end(Buffer.concat([bytes.subarray(0, -1), Buffer.from(' ')]));
      return true;
    };
    expect((await refusal()).code).toBe('HUB_HASH_MISMATCH');
  });

  test('more than the listed size is refused at once', async () => {
    firstTimes(100, (_, res) => void res.writeHead(200).end(Buffer.alloc(10_000_000)));
    expect((await refusal()).code).toBe('HUB_RESPONSE_INVALID');
  });

  test('a file that was damaged after its download is fetched again', async () => {
    const { dir: target } = await download();
    await writeFile(join(target, SHARD), flipped());
    await download();
    expect(await readFile(join(target, SHARD))).toEqual(hub.files.get(SHARD));
  });
});

describe('answers of the hub', () => {
  const answer = (status: number, headers: Record<string, string> = {}, body = '') => {
    hub.intercept = (_, __, ___, res) => {
      res.writeHead(status, headers).end(body);
      return true;
    };
  };

  test.each([
    [401, { 'x-error-code': 'GatedRepo' }, 'HUB_UNAUTHORIZED', /set HF_TOKEN/],
    [403, {}, 'HUB_UNAUTHORIZED', /Accept its terms at .*org\/some-model/],
    [401, { 'x-error-code': 'RepoNotFound' }, 'HUB_NOT_FOUND', /has no model org\/some-model/],
    [404, {}, 'HUB_NOT_FOUND', /at revision main/],
    [429, { 'retry-after': '3600' }, 'HUB_RATE_LIMITED', /in 3600 s/],
    [500, {}, 'HUB_FAILED', /500/],
    [418, {}, 'HUB_RESPONSE_INVALID', /418/],
  ] as const)('%i %j: %s', async (status, headers, code, text) => {
    answer(status, headers);
    const error = await refusal();
    expect(error.code).toBe(code);
    expect(error.message).toMatch(text);
  });

  test('429 with a short pause is waited for', async () => {
    let refused = 0;
    hub.intercept = (_, __, ___, res) => {
      if (refused++ > 0) return false;
      res.writeHead(429, { 'retry-after': '0' }).end();
      return true;
    };
    await download();
    expect(refused).toBeGreaterThan(1);
  });

  test('something that is not a file list', async () => {
    answer(200, {}, '<html>');
    expect((await refusal()).code).toBe('JSON_INVALID');
    answer(200, {}, '{"sha":"x","siblings":[]}');
    expect((await refusal()).code).toBe('HUB_RESPONSE_INVALID');
  });

  test('redirects without end, or to another kind of address', async () => {
    answer(302, { location: '/again' });
    expect((await refusal()).code).toBe('HUB_RESPONSE_INVALID');
    answer(302, { location: 'file:///etc/passwd' });
    expect((await refusal()).message).toMatch(/not followed/);
  });

  test('nobody listens', async () => {
    const endpoint = hub.endpoint;
    await hub[Symbol.asyncDispose]();
    const error = await refusal({ endpoint });
    expect(error.code).toBe('HUB_UNREACHABLE');
    expect(error.message).toMatch(/HF_ENDPOINT/);
    hub = await startHub(new Map());
  });
});

test('what cannot be served is refused before its weights are fetched', async () => {
  const config = JSON.parse(Buffer.from(hub.files.get('config.json')!).toString());
  config.architectures = ['Qwen3MoeForCausalLM'];
  hub.files.set('config.json', Buffer.from(JSON.stringify(config)));
  expect((await refusal()).code).toBe('ARCHITECTURE_UNSUPPORTED');
  expect(hub.requests.some(({ host }) => host === 'storage')).toBe(false);
});

test('a repository without safetensors, a wrong id, a wrong endpoint', async () => {
  for (const name of [...hub.files.keys()])
    if (name.includes('safetensors')) hub.files.delete(name);
  expect((await refusal()).code).toBe('FILE_MISSING');
  expect((await refusal({ id: '../../etc' })).code).toBe('HUB_ID_INVALID');
  expect((await refusal({ endpoint: 'ftp://x' })).code).toBe('HUB_ENDPOINT_INVALID');
});

test('aborting ends it at once and keeps what is there', async () => {
  firstTimes(1, (_, res) => {
    res.writeHead(200, { 'content-length': hub.files.get(SHARD)!.length });
    res.write(Buffer.from(hub.files.get(SHARD)!.subarray(0, 3000)));
  });
  const stop = new AbortController();
  const running = download({
    signal: stop.signal,
    stallMs: 60_000,
    onProgress: ({ file, doneBytes }) => {
      if (file === SHARD && doneBytes > 3000) stop.abort();
    },
  });
  await expect(running).rejects.toThrow(/abort/i);
  expect((await readFile(partPath())).length).toBe(3000);
});
