/** Cases of `walks.json`: what every step lets pass, and what it must catch. */
import { openBlock } from '@blyan/chain/block';
import { createGenesis } from '@blyan/chain/genesis';
import { fromHex, toHex } from '@blyan/chain/hex';
import { toWire } from '@blyan/chain/json';
import { leafHashes, rootOfBytes } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { SealedBlock } from '@blyan/chain/types';
import type { Answers, WalkCase, WalkVectors } from '../../recorded.ts';
import { bytesOf, type SealedVector } from '../../support.ts';
import {
  blockPath,
  type Chains,
  cbor,
  checkpointAnswer,
  checkpointPath,
  chunkPath,
  inclusionPath,
  pagePath,
  recordBlob,
  recordChain,
  recordTensors,
  signHead,
} from './recording.ts';
import {
  CONFIG,
  flip,
  key,
  layer,
  type Scenario,
  START,
  secret,
  tensor as tensorOf,
  WEIGHTS,
} from './scenario.ts';

const EMBED = toHex(rootOfBytes(bytesOf(WEIGHTS)));
const SMALL = toHex(rootOfBytes(CONFIG));
const flipped = { ...(WEIGHTS as { pattern: number }), flip: (1 << 20) + 5 };

const sealed = ({ header, body, signature }: SealedVector): SealedBlock => ({
  header: bytesOf(header),
  body: bytesOf(body),
  signature: fromHex(signature),
});

/** The same bytes in another text: the last character before the padding has bits that nobody reads. */
function withStrayBits(base64: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const at = base64.indexOf('=') - 1;
  if (at < 0) throw new RangeError('no padding, so no stray bits');
  const stray = alphabet[alphabet.indexOf(base64[at]!) + 1]!;
  return base64.slice(0, at) + stray + base64.slice(at + 1);
}

export function recordWalks(scenario: Scenario): WalkVectors {
  const { blocks, next, model, verifier } = scenario;
  const of = (chain: string) => blocks.filter((b) => b.name.startsWith(chain)).map(sealed);
  const chains: Chains = { A: of('A'), B: of('B'), L: of('L') };
  const answers: Answers = {
    ...recordChain('A', chains.A),
    ...recordChain('B', chains.B),
    ...recordChain('L', chains.L),
    ...recordBlob(WEIGHTS),
    ...recordBlob(toHex(CONFIG)),
    ...recordTensors(chains.B),
  };
  const cases: WalkCase[] = [];
  const size = chains.B.length;
  const hashOf = (block: SealedBlock) => toHex(openBlock(block).hash);
  const [b1, b2, b4] = [chains.B[1]!, chains.B[2]!, chains.B[4]!];

  const tensor = { kind: 'tensor', root: EMBED } as const;
  const chunk = { ...tensor, chunk: 1 };
  const block = { kind: 'block', chain: 'B', hash: hashOf(b4) } as const;
  const demo = { kind: 'model', model: 'demo' } as const;
  const all = { kind: 'chains', weights: true } as const;
  type Rest = Pick<WalkCase, 'target'> & Partial<WalkCase>;
  const right = (name: string, comment: string, rest: Rest) =>
    cases.push({ name, comment, maxFollowed: 500, ...rest });
  const wrong = (step: string, code: string, comment: string, rest: Rest) => {
    const number = cases.filter(({ fails }) => fails?.step === step).length + 1;
    const fails = { ...rest.fails, step, code } as WalkCase['fails'];
    right(`${step}-${number}`, comment, { ...rest, fails } as Rest);
  };

  right('block-followed', 'every block of B is read', { target: block });
  right('block-proved', 'B4 is proved into the log', { target: block, maxFollowed: 0 });
  const model1 = { kind: 'block', chain: 'A', hash: hashOf(chains.A[1]!) } as const;
  right('block-of-a', 'a model block', { target: model1 });
  right('tensor-followed', 'three chunks', { target: tensor });
  right('tensor-proved', 'three chunks, its block proved', { target: tensor, maxFollowed: 0 });
  right('tensor-small', 'one chunk, whose leaf is the root', {
    target: { kind: 'tensor', root: SMALL },
  });
  right('chunk-middle', 'a chunk by its path', { target: chunk });
  right('chunk-last', 'the short one', { target: { ...tensor, chunk: 2 }, maxFollowed: 0 });
  right('model', 'with files and tensors', { target: demo });
  right('model-proved', 'with files and tensors, its layers proved', {
    target: demo,
    maxFollowed: 0,
  });
  right('chains', 'everything', { target: all });
  const kept = { B: toHex(signHead('B', chains.B.slice(0, 3))) };
  right('kept-followed', 'a checkpoint from before, over 3 blocks', { target: block, kept });
  right('kept-proved', 'the same, by a proof', { target: block, kept, maxFollowed: 0 });

  right('page-above-checkpoint', 'an import runs: B4 is there, anchored above the head of A', {
    target: { ...block, hash: hashOf(b2) },
    change: {
      ...recordChain('A', chains.A.slice(0, 3)),
      [checkpointPath('B')]: checkpointAnswer(signHead('B', chains.B.slice(0, 4))),
    },
  });

  const weights: Answers = { [`/blobs/${EMBED}`]: { bytes: flipped } };
  const at1 = { fails: { step: 'leaf', code: '', chunk: 1 } } as const;
  wrong('leaf', 'LEAF_MISMATCH', 'one bit', { target: tensor, change: weights, ...at1 });
  wrong('leaf', 'LEAF_MISMATCH', 'one bit', { target: chunk, change: weights, ...at1 });
  wrong('leaf', 'LEAF_MISMATCH', 'one bit', { target: all, change: weights, ...at1 });
  wrong('leaf', 'LEAF_MISMATCH', 'one bit of the only chunk', {
    target: { kind: 'tensor', root: SMALL },
    change: { [`/blobs/${SMALL}`]: { bytes: toHex(flip(CONFIG, 3)) } },
  });
  wrong('leaf', 'BYTE_LENGTH', 'the last bytes are missing', {
    target: tensor,
    change: { [`/blobs/${EMBED}`]: { bytes: { pattern: (2 << 20) + 900 } } },
  });
  wrong('leaf', 'SOURCE_FAILED', 'the bytes are gone', {
    target: tensor,
    change: { [`/blobs/${EMBED}`]: null },
  });
  const list = leafHashes(bytesOf(WEIGHTS));
  wrong('path', 'LEAF_LIST_MISMATCH', 'one bit of the leaf list', {
    target: tensor,
    change: { [`/blobs/${EMBED}/leaves`]: { bytes: toHex(flip(list, 40)) } },
  });
  const proof = answers[chunkPath(EMBED, 1)] as { json: { leaf: string; path: string[] } };
  const chunkProof = (change: object, index = 1): Answers => ({
    [chunkPath(EMBED, index)]: { json: { ...proof.json, size: 3, ...change } },
  });
  wrong('path', 'PROOF_INVALID', 'the nodes in another order', {
    target: chunk,
    change: chunkProof({ path: [...proof.json.path].reverse() }),
  });
  wrong('path', 'PROOF_INVALID', 'a node too many', {
    target: chunk,
    change: chunkProof({ path: [...proof.json.path, SMALL] }),
  });
  wrong('path', 'ANSWER_INVALID', 'hashes in capitals', {
    target: chunk,
    change: chunkProof({ path: [...proof.json.path.map((hash) => hash.toUpperCase())] }),
  });
  // Its `leaf` step asks for the proof, so a malformed answer is that step's failure.
  cases.at(-1)!.fails!.step = 'leaf';
  wrong('root', 'LEAF_LIST_MISMATCH', 'a tree of 4 leaves has the same path', {
    target: chunk,
    change: chunkProof({ size: 4 }),
  });
  // Refused as an answer, so it fails the step that asked for it.
  wrong('leaf', 'ANSWER_INVALID', 'a tree of more leaves than a blob may have', {
    target: chunk,
    change: chunkProof({ size: 3_000_000_000 }),
  });
  for (const [size, comment] of [
    ['3', 'a number as text'],
    [3.7, 'half a leaf'],
  ] as const) {
    wrong('leaf', 'ANSWER_INVALID', comment, { target: chunk, change: chunkProof({ size }) });
  }
  wrong('file', 'LEAF_MISMATCH', 'one bit of config.json', {
    target: demo,
    change: { [`/blobs/${SMALL}`]: { bytes: toHex(flip(CONFIG, 3)) } },
  });
  wrong('descriptor', 'TENSOR_UNKNOWN', 'another layer block is named', {
    target: tensor,
    change: { [`/tensors/${EMBED}`]: { json: { uses: [{ block: hashOf(b2) }] } } },
  });
  wrong('descriptor', 'SOURCE_FAILED', 'nobody knows the tensor', {
    target: { kind: 'tensor', root: '00'.repeat(32) },
  });

  const withA = (extra: SealedBlock) => recordChain('A', [...chains.A, extra]);
  const withB = (extra: SealedBlock) => ({
    ...recordChain('B', [...chains.B, extra]),
    ...recordTensors(chains.B),
  });
  const named = (name: string, layers: { group: string; block: Uint8Array }[]) =>
    next('A', 'model', { ...model(), name, layers }, 'alice');
  const { layers } = model();
  wrong('layers', 'MODEL_LAYERS', 'a model whose layers are in another order', {
    target: { kind: 'model', model: 'odd' },
    change: withA(named('odd', [layers[1]!, layers[0]!, layers[2]!])),
  });
  const other = [layers[0]!, { ...layers[1]!, block: layers[2]!.block }, layers[2]!];
  wrong('layers', 'MODEL_LAYERS', 'a model that names the norm as layer 0', {
    target: { kind: 'model', model: 'odd' },
    change: withA(named('odd', other)),
  });
  const missing = [...layers.slice(0, 2), { ...layers[2]!, block: sha256() }];
  wrong('layers', 'MODEL_LAYERS', 'a model that names the norm as layer 0', {
    target: all,
    change: withA(named('odd', other)),
  });
  wrong('layers', 'MODEL_LAYERS', 'a model that names a block that is nowhere, blocks alone', {
    target: { kind: 'chains', weights: false },
    change: withA(named('odd', missing)),
  });

  const wires = (change: (wire: ReturnType<typeof toWire>, height: number) => object) => ({
    [pagePath('B')]: {
      json: { blocks: chains.B.map((b, height) => change(toWire(openBlock(b)), height)) },
    },
  });
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const badBody = { bodyBytes: base64(flip(b2.body, 9)) };
  const badHeader = { headerBytes: base64(flip(b2.header, 60)) };
  const badSignature = { signature: toHex(flip(b2.signature, 5)) };
  const in2 = (bad: object) => wires((wire, i) => (i === 2 ? { ...wire, ...bad } : wire));
  const of4 = (bad: SealedBlock) => ({ [blockPath('B', b4, 'cbor')]: cbor(bad) });
  const proved = { target: block, maxFollowed: 0 } as const;
  wrong('body', 'BODY_HASH', 'one bit of B2', { target: block, change: in2(badBody) });
  wrong('body', 'BODY_HASH', 'one bit of B4', {
    ...proved,
    change: of4({ ...b4, body: flip(b4.body, 9) }),
  });
  wrong('header', 'HASH_MISMATCH', 'one bit of B2', { target: block, change: in2(badHeader) });
  wrong('header', 'HASH_MISMATCH', 'another block than asked for', { ...proved, change: of4(b1) });
  wrong('signature', 'SIGNATURE_INVALID', 'one bit of B2', {
    target: block,
    change: in2(badSignature),
  });
  wrong('signature', 'SIGNATURE_INVALID', 'one bit of B4', {
    ...proved,
    change: of4({ ...b4, signature: flip(b4.signature, 5) }),
  });
  const stranger = next('B', 'layer', layer('layer.2'), 'mallory');
  const gone = next('B', 'layer', layer('layer.2'), 'carol');
  for (const [extra, comment] of [
    [stranger, 'a right block in a signed log, by mallory'],
    [gone, 'by carol, who has left at the anchor'],
  ] as const) {
    const target = { ...block, hash: hashOf(extra) };
    wrong('author', 'AUTHOR_UNLISTED', comment, { target, change: withB(extra) });
    wrong('author', 'AUTHOR_UNLISTED', comment, { target, maxFollowed: 0, change: withB(extra) });
  }
  const second = next('B', 'layer', layer('layer.3'), 'carol', {
    height: 4,
    anchor: openBlock(b4).header.anchor,
  });
  const target2 = { ...block, hash: hashOf(second) };
  wrong('inclusion', 'BLOCK_UNKNOWN', 'a second block at height 4', {
    target: target2,
    change: { [blockPath('B', second, 'cbor')]: cbor(second) },
  });
  wrong('inclusion', 'PROOF_INVALID', 'a second block at height 4', {
    target: target2,
    maxFollowed: 0,
    change: { [blockPath('B', second, 'cbor')]: cbor(second) },
  });
  wrong('inclusion', 'PROOF_INVALID', 'the proof of another block', {
    ...proved,
    change: { [inclusionPath('B', 4, size)]: answers[inclusionPath('B', 3, size)]! },
  });

  const head = signHead('B', chains.B);
  wrong('checkpoint', 'SIGNATURE_INVALID', 'one bit of its signature', {
    target: block,
    change: { [checkpointPath('B')]: checkpointAnswer(flip(head, head.length - 1)) },
  });
  for (const maxFollowed of [500, 0]) {
    wrong('checkpoint', 'AUTHOR_UNLISTED', 'signed by mallory', {
      target: block,
      maxFollowed,
      change: { [checkpointPath('B')]: checkpointAnswer(signHead('B', chains.B, 'mallory')) },
    });
  }
  wrong('checkpoint', 'CHECKPOINT_FORK', 'of another history than the blocks', {
    target: block,
    change: {
      [checkpointPath('B')]: checkpointAnswer(signHead('B', [...chains.B.slice(0, 4), second])),
    },
  });
  wrong('checkpoint', 'CHECKPOINT_INVALID', 'that of chain L', {
    target: block,
    change: { [checkpointPath('B')]: answers[checkpointPath('L')]! },
  });
  // Its time makes it as long as padding needs it.
  const published = Buffer.from(signHead('B', chains.B, 'alice', 0)).toString('base64');
  wrong('checkpoint', 'ANSWER_INVALID', 'base64 with stray bits', {
    target: block,
    change: { [checkpointPath('B')]: { json: { bytes: withStrayBits(published) } } },
  });
  const fork = { B: toHex(signHead('B', [...chains.B.slice(0, 4), second])) };
  const longer = { B: toHex(signHead('B', [...chains.B, stranger])) };
  for (const maxFollowed of [500, 0]) {
    const rest = { target: block, maxFollowed };
    wrong('history', 'CHECKPOINT_FORK', 'the kept one saw another B4', { ...rest, kept: fork });
    wrong('history', 'CHECKPOINT_ROLLBACK', 'the kept one was longer', { ...rest, kept: longer });
  }
  wrong('linkage', 'HEIGHT_GAP', 'B2 is left out', {
    target: block,
    change: {
      [pagePath('B')]: {
        json: { blocks: chains.B.filter((b) => b !== b2).map((b) => toWire(openBlock(b))) },
      },
    },
  });
  wrong('linkage', 'SOURCE_FAILED', 'no block where the checkpoint says that there is one', {
    target: block,
    change: { [pagePath('B')]: { json: { blocks: [] } } },
  });
  wrong('linkage', 'ANSWER_INVALID', 'a block of A among those of B', {
    target: block,
    change: {
      [pagePath('B')]: {
        json: { blocks: [chains.A[0]!, ...chains.B].map((b) => toWire(openBlock(b))) },
      },
    },
  });
  const odd = next('B', 'layer', layer('layer.2'), 'alice', { log: verifier.logRoot('B', 2) });
  const below = next('B', 'layer', layer('layer.2'), 'alice', { prev: openBlock(b2).hash });
  for (const [extra, followed, byProof, comment] of [
    [odd, 'LOG_MISMATCH', 'LOG_MISMATCH', 'its log is an older one'],
    [below, 'PREV_MISMATCH', 'PROOF_INVALID', 'its prev is not the block below'],
  ] as const) {
    const target = { ...block, hash: hashOf(extra) };
    wrong('linkage', followed, comment, { target, change: withB(extra) });
    wrong('linkage', byProof, comment, { target, maxFollowed: 0, change: withB(extra) });
  }
  const elsewhere = createGenesis({
    network: 'vectors',
    authorities: [key('mallory')],
    time: START,
    secretKey: secret('mallory'),
  });
  wrong('genesis', 'GENESIS_MISMATCH', 'another network of the same name', {
    target: block,
    change: recordChain('A', [elsewhere.sealed]),
  });
  wrong('genesis', 'PROOF_INVALID', 'the log of B does not begin with the derived genesis', {
    ...proved,
    change: { [inclusionPath('B', 0, size)]: answers[inclusionPath('B', 1, size)]! },
  });

  // Everything: what one block claims of a blob is not hidden by what another one claims of it.
  const { files } = model();
  const falseFile = next(
    'A',
    'model',
    { ...model(), files: [{ ...files[0]!, path: 'false.json', sha256: sha256() }, ...files] },
    'alice',
  );
  wrong('file', 'FILE_HASH', 'a false SHA-256 beside right claims of the same root', {
    target: all,
    change: withA(falseFile),
  });
  const small = tensorOf('layer.2.weight', CONFIG);
  const longerShape = { shape: [CONFIG.length / 2 + 1], byteLength: CONFIG.length + 2 };
  const falseLength = next(
    'B',
    'layer',
    layer('layer.2', [{ ...small, ...longerShape, name: 'layer.2.false' }, small]),
    'alice',
  );
  wrong('leaf', 'BYTE_LENGTH', 'a false length beside right claims of the same root', {
    target: all,
    change: withB(falseLength),
  });
  return { genesis: toHex(scenario.genesis.hash), answers, cases };
}
