/**
 * Everything that can die, dies in the middle of answers: each of them must be, token for token, the
 * one that nothing disturbed, with one end and nothing twice.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type BadNetwork, networkOf } from '../../src/chaos/bad-network.ts';
import { killMember, type Stages, startPipelines } from '../../src/chaos/kills.ts';
import { randomOf } from '../../src/chaos/random.ts';
import { QUESTION, Rig } from '../../src/chaos/rig.ts';
import type { ExtraPart } from '../../src/extra-parts.ts';
import type { Followed } from '../../src/following-client.ts';
import { type PartName, type Product, startProduct } from '../../src/product.ts';
import { type TempDir, tempDataDir } from './support.ts';

let data: TempDir;
let product: Product;
let rig: Rig;
let network: BadNetwork;
let standby: ExtraPart;

beforeAll(async () => {
  data = await tempDataDir();
  const net = await networkOf(data.dir);
  network = net.network;
  product = await startProduct({
    dataDir: data.dir,
    env: { NODE_REDIS_URL: net.nodeRedisUrl },
  });
  rig = await Rig.open(product, data.dir);
  standby = rig.parts.coordinator('coordinator-b');
  await standby.start();
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await standby?.stop();
  await product?.stop();
  await network?.[Symbol.asyncDispose]();
  await data[Symbol.asyncDispose]();
});

function expectUndisturbed(answer: Followed) {
  const { endings, tokens, text } = rig.undisturbed;
  expect(answer).toMatchObject({ endings, tokens, text, inOrder: true });
}

/** Hours ahead and days behind. */
const wrongClock = (worker: number) => ({
  NODE_OPTIONS: `--import ${pathToFileURL(path.join(import.meta.dirname, '../fixtures/wrong-clock.mjs'))}`,
  WRONG_CLOCK_MS: String(worker % 2 === 0 ? 5 * 3600_000 : -3 * 24 * 3600_000),
});

interface Kills {
  stages: Stages;
  times: number;
  seed: number;
  clocks?: 'wrong';
}

describe.each<Kills>([
  { stages: 3, times: 3, seed: 8 },
  { stages: 2, times: 3, seed: 7, clocks: 'wrong' },
  { stages: 1, times: 4, seed: 42 },
])('two pipelines of $stages', ({ stages, times, seed, clocks }) => {
  beforeAll(() => startPipelines(rig, stages, clocks && wrongClock), 180_000);

  test(`kill -9 of a random member, at a random token, ${times} times`, async () => {
    expect(rig.undisturbed.tokens).toBe(QUESTION.max_tokens);
    const random = randomOf(seed);
    const words: string[] = [];
    for (let i = 0; i < times; i++) {
      const { answer, stage, at, recoveryMs } = await killMember(rig, stages, random);
      expectUndisturbed(answer);
      expect(answer.retries).toBe(1);
      expect(recoveryMs).toBeLessThan(5000);
      words.push(`stage ${stage} at ${at}: ${recoveryMs} ms`);
    }
    console.log(`killed, and the next token: ${words.join(', ')}`);
  }, 180_000);
});

// The last of the pipelines above: one stage each.
describe('in the middle of an answer', () => {
  beforeEach(() => rig.untilServing(2), 130_000);

  test('the worker that writes is frozen, and thaws when another has gone on', async () => {
    const { answer, recoveryMs } = await rig.disturbed(20, {
      async breaks({ id }) {
        for (const writer of await rig.membersOf(id)) {
          rig.frozen.add(writer);
          await writer.signal('SIGSTOP');
        }
      },
    });
    for (const worker of rig.frozen) await worker.signal('SIGCONT');
    rig.frozen.clear();
    expectUndisturbed(answer);
    console.log(`worker frozen: next token after ${recoveryMs} ms`);
  }, 90_000);

  test('the network of the worker that writes loses all packets, and comes back', async () => {
    const { answer, recoveryMs } = await rig.disturbed(20, {
      breaks: async ({ id }) => network.stall((await rig.membersOf(id))[0]?.name),
    });
    network.mend();
    expectUndisturbed(answer);
    expect(answer.retries).toBe(1);
    console.log(`network of a worker stalled: next token after ${recoveryMs} ms`);
  }, 90_000);

  test('the leading coordinator is killed, and then the next one frozen, which does no harm when it thaws', async () => {
    const killed = await rig.disturbed(20, { breaks: () => killLeader() });
    expectUndisturbed(killed.answer);
    let thaw: (() => Promise<void>) | undefined;
    const frozen = await rig.disturbed(20, {
      async breaks() {
        const leader = await leaderPid();
        process.kill(leader, 'SIGSTOP');
        thaw = async () => void process.kill(leader, 'SIGCONT');
      },
    });
    await thaw?.();
    expectUndisturbed(frozen.answer);
    expect(frozen.answer.retries).toBe(1);
    // It believes that it leads, and must not touch what the next one has begun.
    const after = await rig.disturbed(1, { breaks: async () => undefined });
    expectUndisturbed(after.answer);
    expect(after.answer.retries).toBe(0);
    const ms = [killed, frozen].map(({ recoveryMs }) => recoveryMs);
    console.log(`coordinator killed, frozen: next token after ${ms.join(', ')} ms`);
  }, 120_000);

  test.each<PartName>(['web', 'redis', 'postgres'])(
    'kill -9 of %s',
    async (part) => {
      const { answer, recoveryMs } = await rig.disturbed(20, { breaks: () => product.kill(part) });
      expectUndisturbed(answer);
      console.log(`${part} killed: next token after ${recoveryMs} ms`);
    },
    90_000,
  );
});

/** Process number of the coordinator that holds the lease: the product's own one, or the one beside it. */
async function leaderPid(): Promise<number> {
  const { rows } = await rig.db.query<{ holder: string }>('SELECT holder FROM "Lease"');
  return Number(rows[0]?.holder.split('/').at(-1));
}

async function killLeader(): Promise<void> {
  if ((await leaderPid()) !== standby.pid) return product.kill('coordinator');
  await standby.kill();
  await standby.start();
}
