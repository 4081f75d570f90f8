/**
 * Grows chain B to a million blocks, fast: canonical bytes and real signatures, but written by COPY instead
 * of one transaction a block, with the rows that an append would have written beside them. Whoever follows
 * the chain from its genesis finds nothing wrong with it.
 */
import * as crypto from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { bodyHash, encodeBody } from '@blyan/chain/body';
import { signCheckpoint } from '@blyan/chain/checkpoint';
import { encode } from '@blyan/chain/codec';
import { blockHash } from '@blyan/chain/header';
import { publicKeyOf } from '@blyan/chain/keys';
import { Frontier, leafHash } from '@blyan/chain/merkle';
import type { Hash } from '@blyan/chain/types';
import { appendBody } from '@blyan/db/chain';
import { createDb } from '@blyan/db/client';
import pg from 'pg';
import { copyIn, type Field } from './copy.ts';
import { GROUPS, groupName, layerOf, MODELS, TENSORS_A_GROUP } from './layers.ts';

/** Blocks of one COPY: about 12 MB. */
const BATCH = 10_000;
/** Blocks that are made before the connection is looked at again: 20 ms. */
const SLICE = 200;
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface Seeded {
  /** Written by this call. */
  blocks: number;
  seconds: number;
  /** Block hashes of the models, each with all of the tensors by name. */
  models: Hash[];
}

const nameOf = (version: number) => `bench-thousand-layers-${version}`;

/** Grows chain B to `blocks`, from wherever it is: what an earlier call wrote is not written again. */
export async function seed(
  databaseUrl: string,
  { blocks, secretKey }: { blocks: number; secretKey: Uint8Array },
  log: (line: string) => void,
): Promise<Seeded> {
  const started = performance.now();
  await using client = await connect(databaseUrl);
  const names = Array.from({ length: MODELS }, (_, version) => nameOf(version));
  const known = await client.query(
    'SELECT "hash" FROM "Model" WHERE "name" = ANY($1) ORDER BY "name"',
    [names],
  );
  const models: Hash[] = known.rows.map(({ hash }) => new Uint8Array(hash));
  const skip = models.length > 0 ? MODELS * GROUPS : 0;
  const { written, layers } = await growB(client, { size: blocks, secretKey, skip }, log);
  for (const [version, name] of models.length > 0 ? [] : names.entries()) {
    const own = layers.slice(version * GROUPS, (version + 1) * GROUPS);
    models.push(await appendModel(databaseUrl, { name, layers: own, secretKey }));
  }
  if (written > 0) await client.query('VACUUM ANALYZE');
  const seconds = (performance.now() - started) / 1000;
  return { blocks: written, seconds, models };
}

async function connect(connectionString: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  // What a crash would lose is made again by the next call.
  await client.query('SET synchronous_commit = off');
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

async function appendModel(
  databaseUrl: string,
  { name, layers, secretKey }: { name: string; layers: Hash[]; secretKey: Uint8Array },
): Promise<Hash> {
  const db = createDb(databaseUrl);
  try {
    const { hash } = await appendBody(db, {
      chain: 'A',
      type: 'model',
      body: {
        name,
        family: 'qwen3',
        parameters: 10 ** 9,
        files: [{ path: 'config.json', byteLength: 1, sha256: layers[0]!, root: layers[0]! }],
        layers: layers.map((block, i) => ({ group: groupName(i), block })),
        recipe: { name: 'raw', version: 1 },
        source: {
          repository: null,
          revision: null,
          files: [{ path: 'model.safetensors', byteLength: 1, sha256: layers[0]! }],
        },
      },
      secretKey,
    });
    return hash;
  } finally {
    await db.$disconnect();
  }
}

/** Returns the hashes of the models' blocks, if it begins with them. */
async function growB(
  client: pg.Client,
  { size, secretKey, skip }: { size: number; secretKey: Uint8Array; skip: number },
  log: (line: string) => void,
): Promise<{ written: number; layers: Hash[] }> {
  const { rows } = await client.query(
    `SELECT h."size", h."hash", h."frontier", h."indexed", b."time", a."hash" AS "anchor"
     FROM "ChainHead" h JOIN "Block" b ON b."chain" = 'B' AND b."height" = h."size" - 1,
       "ChainHead" a WHERE h."chain" = 'B' AND a."chain" = 'A'`,
  );
  const [head] = rows;
  if (head.indexed !== head.size) throw new Error('chain B is not indexed yet');
  const writer = new Writer(head, secretKey, skip);
  const layers: Hash[] = [];
  let written = Promise.resolve();
  try {
    while (writer.height < size) {
      const made = await makeBatch(writer, Math.min(BATCH, size - writer.height));
      const missing = MODELS * GROUPS - layers.length;
      layers.push(...made.blocks.slice(0, missing).map((block) => block.hash));
      await written;
      log(`${writer.height} blocks`);
      written = writeBatch(client, made);
    }
  } finally {
    await written;
  }
  await client.query(
    'INSERT INTO "TensorName" SELECT DISTINCT "name" FROM "Tensor" ON CONFLICT DO NOTHING',
  );
  return { written: Math.max(0, size - head.size), layers };
}

/** Made while the server is still busy with the batch before, whose bytes go out in between. */
async function makeBatch(writer: Writer, count: number) {
  const blocks: Made[] = [];
  while (blocks.length < count) {
    blocks.push(writer.next());
    if (blocks.length % SLICE === 0) await setImmediate();
  }
  return { blocks, head: writer.head() };
}

async function writeBatch(
  client: pg.Client,
  { blocks, head }: { blocks: Made[]; head: unknown[] },
): Promise<void> {
  await client.query('BEGIN');
  await copyIn(client, COPY_BLOCKS, blocks.map(blockRow));
  const tensors = blocks.flatMap((block) => block.tensors);
  await copyIn(client, COPY_TENSORS, tensors);
  const nodes = blocks.flatMap((block) => block.nodes);
  await copyIn(client, COPY_NODES, nodes);
  await client.query(
    `UPDATE "ChainHead" SET "size" = $1, "indexed" = $1, "hash" = $2, "frontier" = $3,
       "checkpoint" = $4, "bytes" = "bytes" + $5 WHERE "chain" = 'B'`,
    head,
  );
  await client.query('COMMIT');
}

const COPY_BLOCKS = `COPY "Block" ("chain", "height", "hash", "type", "time", "author", "header", "body",
  "bodyHash", "signature") FROM STDIN (FORMAT binary)`;
const COPY_TENSORS = `COPY "Tensor" ("height", "position", "group", "name", "role", "dtype", "format",
  "shape", "parameters", "byteLength", "root") FROM STDIN (FORMAT binary)`;
const COPY_NODES = 'COPY "LogNode" ("chain", "level", "index", "hash") FROM STDIN (FORMAT binary)';

interface Made {
  height: number;
  hash: Hash;
  time: number;
  author: Uint8Array;
  header: Uint8Array;
  body: Body;
  signature: Uint8Array;
  tensors: Field[][];
  nodes: Field[][];
}
interface Body {
  bytes: Uint8Array;
  hash: Hash;
  layer: ReturnType<typeof layerOf>;
}

const blockRow = (block: Made): Field[] => [
  { text: 'B' },
  { int4: block.height },
  { bytes: block.hash },
  { text: 'layer' },
  { int8: block.time },
  { bytes: block.author },
  { bytes: block.header },
  { bytes: block.body.bytes },
  { bytes: block.body.hash },
  { bytes: block.signature },
];

class Writer {
  height: number;
  readonly #first: number;
  readonly #log: Frontier;
  readonly #anchor: Hash;
  readonly #secretKey: Uint8Array;
  readonly #author: Uint8Array;
  readonly #key: crypto.KeyObject;
  /** Bodies come again: each is encoded and hashed once. */
  readonly #bodies = new Map<number, Body>();
  #prev: Hash;
  #time: number;
  #bytes = 0;

  constructor(
    head: { size: number; hash: Buffer; frontier: Buffer; time: string; anchor: Buffer },
    secretKey: Uint8Array,
    skip: number,
  ) {
    this.height = head.size;
    this.#first = head.size - skip;
    this.#log = Frontier.fromBytes(head.size, new Uint8Array(head.frontier));
    this.#prev = new Uint8Array(head.hash);
    this.#anchor = new Uint8Array(head.anchor);
    this.#time = Number(head.time);
    this.#secretKey = secretKey;
    this.#author = publicKeyOf(secretKey);
    const der = Buffer.concat([PKCS8, secretKey]);
    this.#key = crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  }

  next(): Made {
    const height = this.height++;
    const index = height - this.#first;
    const body = this.#body(index);
    this.#time += 1000;
    const header = encode({
      v: 1,
      chain: 'B',
      height,
      prev: this.#prev,
      time: this.#time,
      type: 'layer',
      body: body.hash,
      bodyLength: body.bytes.length,
      anchor: this.#anchor,
      log: this.#log.root(),
      author: this.#author,
    });
    const hash = blockHash(header);
    const signature = crypto.sign(null, hash, this.#key);
    const nodes = this.#log
      .append(leafHash(hash))
      .map((node): Field[] => [
        { text: 'B' },
        { int2: node.level },
        { int4: node.index },
        { bytes: node.hash },
      ]);
    this.#prev = hash;
    this.#bytes += header.length + body.bytes.length + signature.length;
    const tensors = body.layer.tensors.map((tensor, position): Field[] => [
      { int4: height },
      { int2: position },
      { text: body.layer.group },
      { text: tensor.name },
      { text: tensor.role },
      { text: tensor.dtype },
      { text: tensor.format },
      { int8s: tensor.shape },
      { int8: tensor.shape.reduce((product, size) => product * size, 1) },
      { int8: tensor.byteLength },
      { bytes: tensor.root },
    ]);
    return {
      height,
      hash,
      time: this.#time,
      author: this.#author,
      header,
      body,
      signature,
      tensors,
      nodes,
    };
  }

  #body(index: number): Body {
    const first = MODELS * GROUPS;
    const key = index < first ? index : first + (index % (GROUPS * TENSORS_A_GROUP));
    const known = this.#bodies.get(key);
    if (known) return known;
    const layer = layerOf(index);
    const bytes = encodeBody('layer', layer);
    const made = { bytes, hash: bodyHash(bytes), layer };
    this.#bodies.set(key, made);
    return made;
  }

  /** Of "ChainHead": size, hash, frontier, checkpoint, and the bytes since the last call. */
  head(): unknown[] {
    const checkpoint = signCheckpoint(
      { chain: 'B', size: this.height, head: this.#prev, log: this.#log.root(), time: this.#time },
      this.#secretKey,
    );
    const bytes = [this.#prev, this.#log.toBytes(), checkpoint].map((part) => Buffer.from(part));
    const added = this.#bytes;
    this.#bytes = 0;
    return [this.height, ...bytes, added];
  }
}
