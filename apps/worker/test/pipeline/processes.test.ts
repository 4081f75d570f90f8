/** Three engine processes as one pipeline: what each of them fetches, and what happens when one dies. */
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { resolveModel } from '@blyan/chain/model';
import type { Assignment, FrameType } from '@blyan/protocol/assignment';
import type { NodeJob } from '@blyan/protocol/node';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type {} from '../../../../tooling/local/src/test-context.ts';
import { serveBlobs } from '../../src/blob-server.ts';
import { pickModel } from '../../src/engine/load-model.ts';
import type { Assigned, EngineMessage } from '../../src/engine/messages.ts';
import { nodeCertificate, publicKeyOf } from '../../src/pipeline/node-certificate.ts';
import { loadCommand, type RunningEngine, startEngine } from '../support/engine.ts';
import { type MainNode, serveMainNode } from '../support/main-node.ts';
import { GREEDY, micro, readJson } from '../support/models.ts';
import { createNetwork, type Network } from '../support/network.ts';

const redisUrl = inject('redisUrl');
const RANGES: [number, number][] = [
  [0, 0],
  [1, 1],
  [2, 2],
];
const keys = RANGES.map(() => generateKeyPairSync('ed25519').privateKey);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

let network: Network;
let main: MainNode;
let reference: { cases: { input_ids: number[]; greedy_24: number[] }[] };
let ports: number[];
const engines: RunningEngine[] = [];

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const model = () => pickModel(network.verifier);

/** Another worker's blobs, each answer with a bit flipped; the lists of leaf hashes are right. */
async function lyingBlobs(honest: string) {
  const server = createHttpServer(async ({ url = '', headers }, response) => {
    const { range } = headers;
    const answer = await fetch(`${honest}${url}`, { headers: range ? { range } : {} });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (!url.endsWith('/leaves') && bytes.length > 0) bytes[0]! ^= 1;
    const contentRange = answer.headers.get('content-range');
    response.writeHead(answer.status, contentRange ? { 'content-range': contentRange } : {});
    response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function assignmentOf(direct: boolean, frames: FrameType = 'f32'): Assignment {
  return {
    id: randomUUID(),
    model: toHex(model().hash),
    stages: RANGES.map((layers, i) => ({
      nodeId: `node-${i}`,
      publicKey: publicKeyOf(new X509Certificate(nodeCertificate(keys[i]!).cert))!,
      layers,
      addresses: direct ? [`127.0.0.1:${ports[i]}`] : [],
    })),
    frames,
  };
}

const assignedOf = (assignment: Assignment, i: number): Assigned => ({
  assignment,
  nodeId: `node-${i}`,
  redisUrl,
  key: keys[i]!.export({ type: 'pkcs8', format: 'pem' }).toString(),
  listen: { host: '127.0.0.1', port: ports[i]! },
});

const dirOf = (i: number) => join(network.dir, `worker-${i}`);

function start(i: number, assignment: Assignment): RunningEngine {
  const engine = startEngine();
  engine.client.load(
    loadCommand(network, main.url, dirOf(i), { assigned: assignedOf(assignment, i) }),
  );
  engines[i] = engine;
  return engine;
}

/** The first message behind those that are there that the test accepts. */
const next = (engine: RunningEngine, type: EngineMessage['type']) => {
  const seen = engine.messages.length;
  return engine.until((m) => m.type === type && engine.messages.indexOf(m) >= seen);
};

let serial = 0;
const jobOf = (maxTokens = 24): NodeJob => ({
  requestId: `request-00000000000000${serial++}`,
  attempt: 1,
  model: toHex(model().hash),
  prompt: reference.cases[0]!.input_ids,
  emitted: [],
  params: { ...GREEDY, maxTokens },
  stopTokens: [],
  remainingMs: 60_000,
});

const ofJob = (job: NodeJob) => engines[0]!.events().filter((e) => e.requestId === job.requestId);
const tokensOf = (job: NodeJob) => ofJob(job).flatMap((e) => (e.type === 'tokens' ? e.tokens : []));

async function run(job: NodeJob): Promise<number[]> {
  engines[0]!.client.submit(job);
  await engines[0]!.until(() => ofJob(job).some(({ type }) => type === 'done' || type === 'fail'));
  expect(ofJob(job).at(-1)).toMatchObject({ type: 'done' });
  return tokensOf(job);
}

/** A long answer, `act` in the middle of it; its failure. */
async function broken(act: () => void) {
  const job = jobOf(400);
  engines[0]!.client.submit(job);
  await engines[0]!.until(() => tokensOf(job).length > 3);
  const connecting = next(engines[0]!, 'connecting');
  const start = performance.now();
  act();
  await engines[0]!.until(() => ofJob(job).some(({ type }) => type === 'fail'));
  await connecting;
  return { fail: ofJob(job).at(-1), ms: performance.now() - start };
}

beforeAll(async () => {
  reference = await readJson(join(micro('qwen3-micro'), 'reference.json'));
  network = await createNetwork();
  await network.import(micro('qwen3-micro'), 'untied');
  main = await serveMainNode(network);
  ports = await Promise.all(RANGES.map(freePort));
  const assignment = assignmentOf(false);
  for (let i = 0; i < RANGES.length; i++) start(i, assignment);
  for (const engine of engines) {
    expect(await engine.until((m) => m.type === 'ready' || m.type === 'failed')).toMatchObject({
      type: 'ready',
    });
  }
}, 60_000);
afterAll(async () => {
  for (const engine of engines) await engine?.[Symbol.asyncDispose]();
  await main?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

it('gives the tokens of one worker, through Redis', async () => {
  expect(await run(jobOf())).toEqual(reference.cases[0]!.greedy_24);
});

it('fetches the blobs of its own layers, and no others', async () => {
  const blocks = resolveModel(model(), network.verifier);
  const wanted = [['embedding', 'layer.0', 'norm', 'head'], ['layer.1'], ['layer.2']];
  for (const [i, groups] of wanted.entries()) {
    const tensors = blocks
      .filter((block) => groups.includes(block.body.group))
      .flatMap((block) => block.body.tensors);
    const files = model().body.files;
    const expected = [...tensors, ...files].map(({ root }) => toHex(root));
    const found = [];
    for (const entry of await readdir(join(dirOf(i), 'blobs'), { recursive: true })) {
      const name = entry.split('/').at(-1)!;
      if (/^[0-9a-f]{64}$/.test(name)) found.push(name);
    }
    expect([...new Set(found)].sort()).toEqual([...new Set(expected)].sort());
  }
});

it('a stage that is killed: the answer fails within seconds, naming it; another takes its place', async () => {
  const killed = engines[1]!;
  const { fail, ms } = await broken(() => process.kill(killed.client.pid!, 'SIGKILL'));
  expect(fail).toMatchObject({ type: 'fail', code: 'STAGE_LOST', retry: true, culprit: 'node-1' });
  expect(ms).toBeLessThan(6000);
  const early = jobOf();
  engines[0]!.client.submit(early);
  await engines[0]!.until(() => ofJob(early).length > 0);
  expect(ofJob(early)).toMatchObject([
    { type: 'fail', code: 'PIPELINE_CONNECTING', retry: true, culprit: 'node-1' },
  ]);

  // Its blobs are gone with it: the new one gets them from another worker, not from the main node.
  await using blobs = await serveBlobs(
    { host: '127.0.0.1', port: 0 },
    join(dirOf(1), 'blobs'),
    quiet,
  );
  await using liar = await lyingBlobs(`http://127.0.0.1:${blobs.port}`);
  main.requests.length = 0;
  const other = assignmentOf(false);
  other.blobSources = [liar.url, `http://127.0.0.1:${blobs.port}`];
  for (const i of [0, 2]) engines[i]!.client.assign(assignedOf(other, i));
  const ready = next(engines[0]!, 'ready');
  const engine = startEngine();
  engines[1] = engine;
  engine.client.load(
    loadCommand(network, main.url, join(network.dir, 'worker-new'), {
      assigned: assignedOf(other, 1),
    }),
  );
  await ready;
  expect(main.requests.filter((path) => path.startsWith('/blobs/')).length).toBeLessThan(20);
  // Its wrong bytes were fetched from somebody else; that it sent them is told, once.
  const told = engine.messages.filter(({ type }) => type === 'wrong-blob');
  expect(told).toMatchObject([{ wrong: { source: liar.url, chunk: expect.any(Number) } }]);
  expect(await run(jobOf())).toEqual(reference.cases[0]!.greedy_24);
});

it('the same layers in another pipeline stay loaded; neighbours that can, talk directly', async () => {
  const assignment = assignmentOf(true);
  const ready = engines.map((engine) => next(engine, 'ready').then(() => undefined));
  const seen = engines.map(({ messages }) => messages.length);
  engines.forEach((engine, i) => void engine.client.assign(assignedOf(assignment, i)));
  await ready[0];
  expect(await run(jobOf())).toEqual(reference.cases[0]!.greedy_24);
  for (const [i, engine] of engines.entries()) {
    expect(engine.messages.slice(seen[i]).some((m) => m.type === 'progress')).toBe(false);
    const told = await engine.until(
      (m) => m.type === 'stats' && m.stats.links[0]?.transport === 'direct',
    );
    expect(told).toMatchObject({ stats: { links: [{ nodeId: `node-${(i + 1) % 3}` }] } });
  }
});

it('f16 frames are in the profile of the pipeline, and f32 ones in none', async () => {
  for (const frames of ['f16', 'f32'] as const) {
    const assignment = assignmentOf(false, frames);
    const ready = next(engines[0]!, 'ready');
    engines.forEach((engine, i) => void engine.client.assign(assignedOf(assignment, i)));
    const message = await ready;
    const numerics = message.type === 'ready' ? message.ready.numerics : null;
    expect(numerics).toMatchObject({ provider: 'cpu', ...(frames === 'f16' && { frames }) });
    expect(numerics && 'frames' in numerics).toBe(frames === 'f16');
    expect(await run(jobOf())).toEqual(reference.cases[0]!.greedy_24);
  }
});

it('a stage that freezes: the answer fails within seconds, naming it; when it thaws, all goes on', async () => {
  const pid = engines[2]!.client.pid!;
  const ready = next(engines[0]!, 'ready');
  try {
    const { fail, ms } = await broken(() => process.kill(pid, 'SIGSTOP'));
    expect(fail).toMatchObject({
      type: 'fail',
      code: 'STAGE_LOST',
      retry: true,
      culprit: 'node-2',
    });
    expect(ms).toBeLessThan(6000);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await ready;
  expect(await run(jobOf())).toEqual(reference.cases[0]!.greedy_24);
});
