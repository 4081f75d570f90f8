/**
 * What the stages of a pipeline say to each other: bounded binary frames, little endian. The layout is
 * fixed by vectors/frames.json.
 *
 *    0 u32 magic        24 u32 epoch         40 u32 rows
 *    4 u8  version      28 u16 from          44 u32 width
 *    5 u8  kind         30 u16 groups        48 u32 wanted
 *    6 u8  element      32 u32 seq           52 u32 body bytes
 *    7 u8  mode         36 u32 run           56 groups x (u32 cache, u32 position, u32 count)
 *    8 16 bytes assignment id                then rows x width elements, or the body in UTF-8
 *
 * Decoding copies nothing but the ids: the payload is a view of the received bytes.
 */
import type { FrameType } from './assignment.ts';

const MAGIC = 0x4e594c42; // 'BLYN'
const VERSION = 1;
const HEADER_BYTES = 56;
const GROUP_BYTES = 12;

/** Rows of one run: a prefill chunk has 64 positions, a decode 16 sequences; 4x head room. */
export const MAX_FRAME_ROWS = 256;
/** Sequences of one run: a decode has 16 at most. */
export const MAX_FRAME_GROUPS = 64;
/** The widest published dense models have 2^14. */
export const MAX_FRAME_WIDTH = 1 << 15;
/** Text of a handshake or an error; a numerics profile may have 1 KiB. */
export const MAX_FRAME_BODY = 8192;
/** The largest frame there is: MAX_FRAME_ROWS of MAX_FRAME_WIDTH in f32. */
export const MAX_FRAME_BYTES =
  HEADER_BYTES + MAX_FRAME_GROUPS * GROUP_BYTES + MAX_FRAME_ROWS * MAX_FRAME_WIDTH * 4;

const KINDS = [
  'hello',
  'welcome',
  'run',
  'result',
  'copy',
  'keep',
  'error',
  'ping',
  'pong',
] as const;
/**
 * `hello`: the head begins an epoch; `welcome`: a stage is ready for it. `run`: hidden states for the
 * next stage; `result`: for the head, behind the last layer. `copy`: one cache begins like another;
 * `keep`: a cache shrinks, to nothing when it is freed. `ping`, `pong`, `error`: as they say.
 */
export type FrameKind = (typeof KINDS)[number];

const MODES = ['none', 'prefill', 'decode', 'check'] as const;
/** The kinds of runs, which differ in the order of their sums: see docs/engine.md. */
export type RunMode = (typeof MODES)[number];

const ELEMENT_BYTES = { f32: 4, f16: 2 } as const;
const ELEMENTS = [null, 'f32', 'f16'] as const;

/** Rows of one sequence in a run; of `copy` the source and the target, of `keep` the length to keep. */
export interface FrameGroup {
  /** Number of the KV cache, chosen by the head. */
  cache: number;
  /** Of its first row. */
  position: number;
  count: number;
}

/** Hidden states, [rows, width]. */
export interface FramePayload {
  type: FrameType;
  rows: number;
  width: number;
  bytes: Uint8Array;
}

export interface Frame {
  kind: FrameKind;
  /** UUID: frames of an earlier plan are dropped. */
  assignment: string;
  /** Chosen by the head at each handshake: frames of an earlier one are dropped. */
  epoch: number;
  /** Number of the stage that sent it. */
  from: number;
  /** Of `run`, `result`, `copy` and `keep`: counts from 0 on each hop, in each epoch. */
  seq: number;
  /** Number of the run, chosen by the head; of a ping, any number. */
  run: number;
  mode: RunMode;
  /** The last rows of the run that the head wants back. */
  wanted: number;
  groups: FrameGroup[];
  payload: FramePayload | null;
  /** JSON of a handshake or an error, else empty. */
  body: string;
}

export type FrameErrorCode =
  | 'FRAME_LENGTH'
  | 'FRAME_MAGIC'
  | 'FRAME_VERSION'
  | 'FRAME_KIND'
  /** A count over its bound, or one that contradicts another. */
  | 'FRAME_BOUNDS';

/** Bytes that are no frame. Sending them again does not help. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly code: FrameErrorCode;
  readonly details: Record<string, number>;
  readonly retry = false;

  constructor(code: FrameErrorCode, details: Record<string, number>) {
    super(`${code} ${JSON.stringify(details)}`);
    this.code = code;
    this.details = details;
  }
}

/** @throws FrameError FRAME_BOUNDS, FRAME_LENGTH for what `decodeFrame` would refuse */
export function encodeFrame(frame: Frame): Uint8Array {
  const { payload, groups } = frame;
  const body = new TextEncoder().encode(frame.body);
  const rows = payload?.rows ?? 0;
  const width = payload?.width ?? 0;
  const element = payload ? ELEMENTS.indexOf(payload.type) : 0;
  const counts = { groups: groups.length, rows, width, body: body.length, element };
  const length = frameLength(counts);
  if (payload && payload.bytes.length !== rows * width * ELEMENT_BYTES[payload.type]) {
    throw new FrameError('FRAME_LENGTH', { rows, width, bytes: payload.bytes.length });
  }
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC, true);
  out[4] = VERSION;
  out[5] = KINDS.indexOf(frame.kind) + 1;
  out[6] = element;
  out[7] = MODES.indexOf(frame.mode);
  writeUuid(out, 8, frame.assignment);
  view.setUint32(24, frame.epoch, true);
  view.setUint16(28, frame.from, true);
  view.setUint16(30, groups.length, true);
  view.setUint32(32, frame.seq, true);
  view.setUint32(36, frame.run, true);
  view.setUint32(40, rows, true);
  view.setUint32(44, width, true);
  view.setUint32(48, frame.wanted, true);
  view.setUint32(52, body.length, true);
  let at = HEADER_BYTES;
  for (const { cache, position, count } of groups) {
    view.setUint32(at, cache, true);
    view.setUint32(at + 4, position, true);
    view.setUint32(at + 8, count, true);
    at += GROUP_BYTES;
  }
  out.set(payload?.bytes ?? body, at);
  return out;
}

/**
 * @param bytes exactly one frame; the payload of the result is a view of it
 * @throws FrameError
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < HEADER_BYTES) throw new FrameError('FRAME_LENGTH', { bytes: bytes.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) throw new FrameError('FRAME_MAGIC', { magic });
  const [version = 0, kindCode = 0, element = 0, modeCode = 0] = bytes.subarray(4, 8);
  if (version !== VERSION) throw new FrameError('FRAME_VERSION', { version });
  const kind = KINDS[kindCode - 1];
  const mode = MODES[modeCode];
  const type = ELEMENTS[element];
  if (kind === undefined || mode === undefined || type === undefined) {
    throw new FrameError('FRAME_KIND', { kind: kindCode, mode: modeCode, element });
  }
  const groupCount = view.getUint16(30, true);
  const rows = view.getUint32(40, true);
  const width = view.getUint32(44, true);
  const bodyBytes = view.getUint32(52, true);
  const length = frameLength({ groups: groupCount, rows, width, body: bodyBytes, element });
  if (bytes.length !== length)
    throw new FrameError('FRAME_LENGTH', { bytes: bytes.length, length });
  const groups: FrameGroup[] = [];
  let at = HEADER_BYTES;
  for (let i = 0; i < groupCount; i++, at += GROUP_BYTES) {
    groups.push({
      cache: view.getUint32(at, true),
      position: view.getUint32(at + 4, true),
      count: view.getUint32(at + 8, true),
    });
  }
  return {
    kind,
    assignment: readUuid(bytes, 8),
    epoch: view.getUint32(24, true),
    from: view.getUint16(28, true),
    seq: view.getUint32(32, true),
    run: view.getUint32(36, true),
    mode,
    wanted: view.getUint32(48, true),
    groups,
    payload: type === null ? null : { type, rows, width, bytes: bytes.subarray(at) },
    body: bodyBytes > 0 ? new TextDecoder().decode(bytes.subarray(at)) : '',
  };
}

interface Counts {
  groups: number;
  rows: number;
  width: number;
  body: number;
  element: number;
}

/** Every count is bounded before anything is allocated or read by it. */
function frameLength({ groups, rows, width, body, element }: Counts): number {
  const type = ELEMENTS[element];
  const size = type ? rows * width * ELEMENT_BYTES[type] : 0;
  const fits =
    groups <= MAX_FRAME_GROUPS &&
    rows <= MAX_FRAME_ROWS &&
    width <= MAX_FRAME_WIDTH &&
    body <= MAX_FRAME_BODY;
  // A frame has a payload or a body, never both, and no empty payload.
  const agree = type ? rows > 0 && width > 0 && body === 0 : rows === 0 && width === 0;
  if (!fits || !agree) {
    throw new FrameError('FRAME_BOUNDS', { groups, rows, width, body, element });
  }
  return HEADER_BYTES + groups * GROUP_BYTES + size + body;
}

function writeUuid(out: Uint8Array, at: number, uuid: string): void {
  const hex = uuid.replaceAll('-', '');
  for (let i = 0; i < 16; i++) out[at + i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function readUuid(bytes: Uint8Array, at: number): string {
  let uuid = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) uuid += '-';
    uuid += HEX[bytes[at + i]!];
  }
  return uuid;
}
