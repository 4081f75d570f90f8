import { NODE_LOST_MS, type NodeStatus } from '@blyan/protocol/node';
import { expect, test } from 'vitest';
import { TICK_MS } from '../src/limits.ts';
import { NodeRegistry } from '../src/nodes.ts';
import { TickClock } from '../src/tick-clock.ts';

const status: NodeStatus = {
  type: 'status',
  boot: 'b',
  version: '0.1.0',
  state: 'ready',
  slots: 1,
};
const HEARTBEAT_MS = 1000;

function open(redis: { status: 'ready' | 'reconnecting' } = { status: 'ready' }) {
  const nodes = new NodeRegistry();
  nodes.add('n');
  nodes.hear('n', status, 0);
  const clock = new TickClock(redis, nodes, 0);
  return { clock, alive: (now: number) => nodes.get('n')!.isAlive(now) };
}

test('no standstill of ours, however long, makes a node that we heard look dead', () => {
  for (let stall = 100; stall < 20_000; stall += 100) {
    const { clock, alive } = open();
    for (let now = TICK_MS; now < HEARTBEAT_MS; now += TICK_MS) clock.before(now);
    const now = HEARTBEAT_MS + stall;
    clock.before(now);
    expect(alive(now), `${stall} ms`).toBe(true);
  }
});

test('a silent node is noticed, also when every tick is late', () => {
  for (const step of [TICK_MS, 2000]) {
    const { clock, alive } = open();
    let ticks = 0;
    for (let now = 0; alive(now); now += step, ticks++) clock.before(now);
    expect(ticks).toBeLessThanOrEqual(NODE_LOST_MS / TICK_MS + 1);
  }
});

test('while Redis is away no time passes', () => {
  const { clock, alive } = open({ status: 'reconnecting' });
  for (let now = 0; now < 60_000; now += TICK_MS) {
    clock.before(now);
    expect(alive(now)).toBe(true);
  }
});
