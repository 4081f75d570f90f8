/** The two transports: what they carry, whom they refuse, and what happens when they break. */
import { generateKeyPairSync, type KeyObject, randomUUID, X509Certificate } from 'node:crypto';
import { connect as dial } from 'node:tls';
import type { Assignment } from '@blyan/protocol/assignment';
import { decodeFrame, encodeFrame } from '@blyan/protocol/frames';
import fc from 'fast-check';
import { describe, expect, inject, it } from 'vitest';
import type {} from '../../../../tooling/local/src/test-context.ts';
import { DirectNet, FrameReader } from '../../src/pipeline/direct-net.ts';
import { frameOf } from '../../src/pipeline/member.ts';
import type { Arrival, StageNet } from '../../src/pipeline/net.ts';
import { nodeCertificate, publicKeyOf } from '../../src/pipeline/node-certificate.ts';
import { RedisNet } from '../../src/pipeline/redis-net.ts';

const quiet = { info() {}, warn() {}, error() {} };
const redisUrl = inject('redisUrl');
const keys = () => generateKeyPairSync('ed25519').privateKey;
const publicHex = (key: KeyObject) => publicKeyOf(new X509Certificate(nodeCertificate(key).cert))!;

function assignmentOf(all: KeyObject[], addresses: string[][]): Assignment {
  return {
    id: randomUUID(),
    model: 'ab'.repeat(32),
    stages: all.map((key, i) => ({
      nodeId: `node-${i}`,
      publicKey: publicHex(key),
      layers: [i, i],
      addresses: addresses[i] ?? [],
    })),
    frames: 'f32',
  };
}

const inbox = (net: StageNet) => {
  const arrivals: Arrival[] = [];
  net.listen((arrival) => void arrivals.push(arrival));
  return arrivals;
};

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const local = { host: '127.0.0.1', port: 0 };

/** Two direct nets that know each other's ports. */
async function pair() {
  const all = [keys(), keys()];
  const notices: string[] = [];
  const notice = (text: string) => void notices.push(text);
  const assignment = assignmentOf(all, []);
  const open = async (index: number) => {
    const member = { assignment, index };
    const redis = await RedisNet.open(member, { redisUrl }, quiet);
    return await DirectNet.open(member, redis, { key: all[index]!, listen: local, notice });
  };
  const nets = [await open(0), await open(1)] as const;
  nets.forEach((net, i) => {
    assignment.stages[i]!.addresses = [`127.0.0.1:${net.port}`];
  });
  return {
    all,
    assignment,
    nets,
    notices,
    async [Symbol.asyncDispose]() {
      for (const net of nets) await net[Symbol.asyncDispose]();
    },
  };
}

const frame = (assignment: Assignment, from: number, body: string) =>
  encodeFrame(frameOf({ assignment, index: from }, 'ping', { body }));
const bodies = (arrivals: Arrival[]) => arrivals.map(({ bytes }) => decodeFrame(bytes).body);

describe('through Redis', () => {
  it('carries frames in order to the stage that they are for, and back', async () => {
    const assignment = assignmentOf([keys(), keys()], []);
    await using a = await RedisNet.open({ assignment, index: 0 }, { redisUrl }, quiet);
    await using b = await RedisNet.open({ assignment, index: 1 }, { redisUrl }, quiet);
    const [atA, atB] = [inbox(a), inbox(b)];
    const wire = await a.connect(1, () => undefined);
    await until(() => {
      a.post(1, frame(assignment, 0, 'awake'));
      return atB.length > 0;
    });
    for (let i = 0; i < 100; i++) wire.send(frame(assignment, 0, String(i)));
    await until(() => bodies(atB).includes('99'));
    const numbers = bodies(atB).filter((body) => body !== 'awake');
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
    expect(wire.transport).toBe('redis');
    expect(atA).toEqual([]);
    atB.at(-1)!.reply(frame(assignment, 1, 'back'));
    await until(() => atA.length === 1);
    expect(bodies(atA)).toEqual(['back']);
  });
});

describe('directly', () => {
  it('carries frames of any size in order, and says who sent them', async () => {
    await using t = await pair();
    const [a, b] = t.nets;
    const [atA, atB] = [inbox(a), inbox(b)];
    const wire = await a.connect(1, () => undefined);
    expect(wire.transport).toBe('direct');
    const payload = {
      type: 'f32' as const,
      rows: 256,
      width: 4096,
      bytes: new Uint8Array(1 << 22),
    };
    payload.bytes[12345] = 7;
    const member = { assignment: t.assignment, index: 0 };
    wire.send(encodeFrame(frameOf(member, 'run', { payload })));
    for (let i = 0; i < 50; i++) wire.send(frame(t.assignment, 0, String(i)));
    await until(() => atB.length === 51);
    expect(decodeFrame(atB[0]!.bytes).payload?.bytes[12345]).toBe(7);
    expect(bodies(atB.slice(1))).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    expect(new Set(atB.map(({ from }) => from))).toEqual(new Set([0]));
    atB[0]!.reply(frame(t.assignment, 1, 'back'));
    await until(() => atA.length === 1);
    expect(atA[0]!.from).toBe(1);
  });

  it('goes through Redis when nobody answers, or somebody else does', async () => {
    await using t = await pair();
    const [a, b] = t.nets;
    inbox(a);
    const atB = inbox(b);
    // The first address is nobody's; at the second listens a node with another key.
    await using other = await pair();
    t.assignment.stages[1]!.addresses = ['127.0.0.1:1', `127.0.0.1:${other.nets[0].port}`];
    const wire = await a.connect(1, () => undefined);
    expect(wire.transport).toBe('redis');
    wire.send(frame(t.assignment, 0, 'hello'));
    await until(() => atB.length === 1);
    expect(t.notices.join()).toContain('another node answers there');
  });

  it('refuses strangers, with and without a certificate', async () => {
    await using t = await pair();
    const atB = inbox(t.nets[1]);
    for (const identity of [{}, nodeCertificate(keys()), nodeCertificate(t.all[1]!)]) {
      const socket = dial({
        host: '127.0.0.1',
        port: t.nets[1].port!,
        rejectUnauthorized: false,
        ...identity,
      });
      socket.on('error', () => undefined);
      const length = Buffer.alloc(4);
      const bytes = frame(t.assignment, 0, 'let me in');
      length.writeUInt32LE(bytes.length);
      socket.write(Buffer.concat([length, bytes]));
      await new Promise((resolve) => socket.once('close', resolve));
    }
    expect(atB).toEqual([]);
    expect(t.notices).toHaveLength(3);
  });

  it('tells when the other end is gone, once', async () => {
    await using t = await pair();
    const [a, b] = t.nets;
    const reasons: string[] = [];
    const wire = await a.connect(1, (reason) => void reasons.push(reason));
    await b[Symbol.asyncDispose]();
    await until(() => reasons.length > 0);
    wire.send(frame(t.assignment, 0, 'too late'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reasons).toHaveLength(1);
  });

  it('cuts a connection that announces a frame of gigabytes', async () => {
    await using t = await pair();
    const atB = inbox(t.nets[1]);
    const socket = dial({
      host: '127.0.0.1',
      port: t.nets[1].port!,
      rejectUnauthorized: false,
      ...nodeCertificate(t.all[0]!),
    });
    socket.on('error', () => undefined);
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(atB).toEqual([]);
  });
});

it('reads frames out of any cut of the stream', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(frames, cuts, (all, sizes) => {
      const stream = Buffer.concat(
        all.map((bytes) => {
          const length = Buffer.alloc(4);
          length.writeUInt32LE(bytes.length);
          return Buffer.concat([length, bytes]);
        }),
      );
      const reader = new FrameReader();
      const read: Uint8Array[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length]!;
        for (const bytes of reader.push(stream.subarray(at, at + size))) read.push(bytes);
        at += size;
      }
      expect(read.map((bytes) => [...bytes])).toEqual(all.map((bytes) => [...bytes]));
    }),
  );
});
