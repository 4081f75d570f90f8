import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { toBase64 } from '../../../packages/chain/src/base64.ts';
import { openBlock } from '../../../packages/chain/src/block.ts';
import { toWire } from '../../../packages/chain/src/json.ts';
import { head, listBlocks, verifyStoredChains } from '../../../packages/db/src/chain.ts';
import { createDb } from '../../../packages/db/src/client.ts';
import { createTestDatabase } from '../../../packages/db/src/testing.ts';
import { AnswerReader } from '../../../packages/queue/src/answer-reader.ts';
import { readCluster } from '../../../packages/queue/src/cluster.ts';
import { connect, disconnect } from '../../../packages/queue/src/connection.ts';
import { tellCoordinator } from '../../../packages/queue/src/control.ts';
import { IntakeQueue } from '../../../packages/queue/src/intake.ts';
import { startTestServices } from '../src/test-services.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const log = { info() {}, warn: console.error, error: console.error };
await using services = await startTestServices();
await using pg = await createTestDatabase(services.databaseUrl);
const dir = path.join(services.dir, 'data');
const env = {
  ...process.env,
  DATABASE_URL: pg.url,
  REDIS_URL: services.redisUrl,
  BLYAN_DATA_DIR: dir,
  BLYAN_LOG_LEVEL: 'info',
};
const coord = path.join(root, 'apps/coordinator/dist');
console.log(execFileSync('node', [path.join(coord, 'commands/init.js')], { env }).toString());
console.log(
  execFileSync(
    'node',
    [path.join(coord, 'commands/model-import.js'), path.join(root, 'models/blyan-guide')],
    { env },
  )
    .toString()
    .split('\n')
    .slice(-4)
    .join('\n'),
);
const db = createDb(pg.url);
const g = await head(db, 'A');
const blocks0 = await listBlocks(db, 'A', { from: 0, limit: 10 });
const genesis = Buffer.from(blocks0[0]!.hash).toString('hex');
const modelHash = Buffer.from(g!.hash).toString('hex');
const redis = connect(services.redisUrl, { name: 'e2e', logger: log });
const server = createServer(async (req, res) => {
  const url = new URL(req.url!, 'http://x');
  const json = (v: unknown) => {
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(v));
  };
  if (url.pathname === '/gpu/register') {
    let t = '';
    for await (const c of req) t += c;
    const { nodeId } = JSON.parse(t);
    await db.node.upsert({
      where: { id: nodeId },
      create: { id: nodeId, version: '0' },
      update: { registeredAt: new Date() },
    });
    await tellCoordinator(redis, { type: 'node', nodeId });
    return json({ nodeId, genesis, redisUrl: services.redisUrl, heartbeatMs: 1000 });
  }
  const m = /^\/chain\/([AB])\/(blocks|checkpoint)$/.exec(url.pathname);
  if (m?.[2] === 'checkpoint')
    return json({ bytes: toBase64((await head(db, m[1] as 'A'))!.checkpoint) });
  if (m) {
    const from = Number(url.searchParams.get('from')),
      limit = Number(url.searchParams.get('limit'));
    const list = await listBlocks(db, m[1] as 'A', { from, limit });
    const size = (await head(db, m[1] as 'A'))!.size;
    return json({
      blocks: list.map((b) => toWire(openBlock(b.sealed))),
      size,
      next: from + list.length < size ? from + list.length : null,
    });
  }
  res.statusCode = 404;
  res.end();
});
await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
const port = (server.address() as { port: number }).port;
const kids: ReturnType<typeof spawn>[] = [];
const start = (file: string, extra: object = {}) => {
  const kid = spawn('node', [path.join(root, file)], {
    env: { ...env, ...extra },
    stdio: ['ignore', process.env.V ? 'inherit' : 'ignore', 'inherit'],
  });
  kids.push(kid);
  return kid;
};
const workerEnv = {
  BLYAN_MAIN_URL: `http://127.0.0.1:${port}`,
  BLYAN_API_KEY: 'k'.repeat(32),
  BLYAN_GENESIS: genesis,
  DATABASE_URL: '',
  BLYAN_NODE_ID: 'worker-1',
};
let c = start('apps/coordinator/dist/main.js');
let w = start('apps/worker/dist/main.js', workerEnv);
const ready = async () => {
  for (;;) {
    const s = await readCluster(redis);
    if (s?.nodes.some((n) => n.alive && n.status.state === 'ready')) return;
    await new Promise((r) => setTimeout(r, 100));
  }
};
const t0 = Date.now();
await ready();
console.log('ready after', Date.now() - t0, 'ms');
const intake = new IntakeQueue({ redis, logger: log });
const reader = AnswerReader.open({ url: services.redisUrl, logger: log });
const parity = JSON.parse(
  readFileSync(path.join(root, 'models/blyan-guide/parity.json'), 'utf8'),
).cases;
const cpu = (pid: number) => {
  const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(f[11]) + Number(f[12])) * 10;
};
async function ask(prompt: number[], maxTokens: number, on?: (n: number) => void) {
  const id = `request-${crypto.randomUUID()}`;
  const t = performance.now();
  await db.request.create({
    data: {
      id,
      model: Buffer.from(modelHash, 'hex'),
      prompt,
      params: { maxTokens, temperature: 0, topP: 1, topK: 0, minP: 0, seed: 7 },
      stop: [],
      deadline: new Date(Date.now() + 60000),
    },
  });
  const t1 = performance.now();
  await intake.add(id);
  const out: number[] = [];
  let first = 0,
    text = '',
    last: any,
    phases = '';
  for await (const { event } of reader.follow(id)) {
    if (event.type === 'tokens') {
      if (!first) first = performance.now();
      out.push(...event.tokens);
      text += event.text;
      on?.(out.length);
    }
    if (event.type === 'phase' || event.type === 'attempt')
      phases +=
        event.type === 'phase' ? `${event.phase} ` : `attempt${event.attempt}(${event.reason}) `;
    last = event;
  }
  const end = performance.now();
  return {
    id,
    out,
    text: text + (last.text ?? ''),
    last,
    phases,
    ttft: first - t1,
    row: t1 - t,
    tps: ((out.length - 1) * 1000) / (end - first),
  };
}
for (const [i, k] of parity.entries()) {
  const want = (k.greedy_48 ?? k.greedy).slice(0, 48);
  const a = await ask(k.input_ids, 48);
  const same = a.out.every((x, j) => x === want[j]);
  console.log(
    'case',
    i,
    'same',
    same,
    a.out.length,
    'ttft',
    a.ttft.toFixed(1),
    'row',
    a.row.toFixed(1),
    'tps',
    a.tps.toFixed(1),
    a.last.type,
    a.last.reason ?? a.last.message,
    JSON.stringify(a.text.slice(0, 80)),
    a.phases,
  );
  if (i === 0) console.log(JSON.stringify(a.last.receipt ?? {}).slice(0, 1500));
}
const p = parity[0].input_ids;
const long = [...p];
for (let round = 0; round < 3; round++) {
  const b = [cpu(c.pid!), cpu(w.pid!)];
  const rs = await Promise.all(
    Array.from({ length: 4 }, (_, i) =>
      ask([...p.slice(0, 3), 1000 + 7 * i + round, ...p.slice(3)], 200),
    ),
  );
  const n = rs.reduce((s, r) => s + r.out.length, 0);
  console.log(
    '4 at once:',
    n,
    'tokens; coordinator ms/token',
    ((cpu(c.pid!) - b[0]!) / n).toFixed(3),
    'worker ms/token',
    ((cpu(w.pid!) - b[1]!) / n).toFixed(3),
    'ttft',
    rs.map((r) => r.ttft.toFixed(0)).join(' '),
  );
}
for (let i = 0; i < 3; i++) {
  const a = await ask(p, 100);
  console.log('single ttft', a.ttft.toFixed(1), 'prefill in engine?', a.last.receipt?.timings);
}
// kill the worker in mid-answer, restart
const whole = await ask(parity[1].input_ids, 60);
let killed = 0;
const k1 = await ask(parity[1].input_ids, 60, (n) => {
  if (n >= 5 && !killed) {
    killed = Date.now();
    w.kill('SIGKILL');
    setTimeout(() => {
      w = start('apps/worker/dist/main.js', workerEnv);
    }, 500);
  }
});
console.log(
  'worker killed: same',
  JSON.stringify(k1.out) === JSON.stringify(whole.out),
  k1.out.length,
  k1.last.type,
  k1.phases,
  'took',
  Date.now() - killed,
);
killed = 0;
await ready();
const k2 = await ask(parity[1].input_ids, 60, (n) => {
  if (n >= 5 && !killed) {
    killed = Date.now();
    c.kill('SIGKILL');
    setTimeout(() => {
      c = start('apps/coordinator/dist/main.js');
    }, 300);
  }
});
console.log(
  'coordinator killed: same',
  JSON.stringify(k2.out) === JSON.stringify(whole.out),
  k2.last.type,
  k2.phases,
  'took',
  Date.now() - killed,
);
killed = 0;
await ready();
const k3 = await ask(parity[1].input_ids, 60, (n) => {
  if (n >= 5 && !killed) {
    killed = Date.now();
    w.kill('SIGKILL');
  }
});
console.log('worker killed for good:', k3.last, k3.phases, 'took', Date.now() - killed);
w = start('apps/worker/dist/main.js', workerEnv);
await ready();
const t9 = Date.now();
const gone = [new Promise((r) => w.once('exit', r)), new Promise((r) => c.once('exit', r))];
w.kill('SIGTERM');
console.log('worker exit', await gone[0], Date.now() - t9);
c.kill('SIGTERM');
console.log('coordinator exit', await gone[1], Date.now() - t9);
for (const kid of kids) kid.kill('SIGKILL');
await reader[Symbol.asyncDispose]();
await intake[Symbol.asyncDispose]();
await disconnect(redis);
await db.$disconnect();
server.close();
