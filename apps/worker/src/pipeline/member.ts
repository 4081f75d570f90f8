/** What the head and the other stages have in common: who they are, and the hop to the next one. */
import type { Assignment } from '@blyan/protocol/assignment';
import { decodeFrame, encodeFrame, type Frame, type FrameKind } from '@blyan/protocol/frames';
import type { NodeLink } from '@blyan/protocol/node';
import type { Arrival, StageNet, Wire } from './net.ts';

/** One pipeline as one of its stages sees it. */
export interface Membership {
  assignment: Assignment;
  /** Number of this stage; 0 is the head. */
  index: number;
}

type Content = Partial<Omit<Frame, 'kind' | 'assignment' | 'from'>>;

export function frameOf(
  { assignment, index }: Membership,
  kind: FrameKind,
  content: Content,
): Frame {
  return {
    kind,
    assignment: assignment.id,
    from: index,
    epoch: 0,
    seq: 0,
    run: 0,
    mode: 'none',
    wanted: 0,
    groups: [],
    payload: null,
    body: '',
    ...content,
  };
}

/** A frame of this pipeline, from the stage that it says it is from; else null, and why in `problem`. */
export function accept(
  { assignment }: Membership,
  { bytes, from }: Arrival,
  problem: (text: string) => void,
): Frame | null {
  let frame: Frame;
  try {
    frame = decodeFrame(bytes);
  } catch (error) {
    problem((error as Error).message);
    return null;
  }
  if (frame.assignment !== assignment.id || frame.from >= assignment.stages.length) return null;
  if (from !== null && frame.from !== from) {
    problem(`stage ${from} sent a frame of stage ${frame.from}`);
    return null;
  }
  return frame;
}

/** Weight of the newest round trip in the average. */
const NEWEST = 0.25;

/** The way to the next stage in one epoch. */
export class Hop {
  readonly #member: Membership;
  readonly #epoch: number;
  readonly #wire: Wire;
  #seq = 0;
  #pinged = 0;
  #nonce = 0;
  #ms: number | null = null;

  private constructor(member: Membership, epoch: number, wire: Wire) {
    this.#member = member;
    this.#epoch = epoch;
    this.#wire = wire;
  }

  static async open(
    member: Membership,
    epoch: number,
    net: StageNet,
    closed: (reason: string) => void,
  ): Promise<Hop> {
    const next = (member.index + 1) % member.assignment.stages.length;
    return new Hop(member, epoch, await net.connect(next, closed));
  }

  /** `run`, `result`, `copy` or `keep`, numbered. */
  send(kind: FrameKind, content: Content): void {
    const frame = frameOf(this.#member, kind, { ...content, epoch: this.#epoch, seq: this.#seq });
    this.#seq = (this.#seq + 1) >>> 0;
    this.#wire.send(encodeFrame(frame));
  }

  ping(): void {
    this.#nonce = (this.#nonce + 1) >>> 0;
    this.#pinged = performance.now();
    const content = { epoch: this.#epoch, run: this.#nonce };
    this.#wire.send(encodeFrame(frameOf(this.#member, 'ping', content)));
  }

  pong(nonce: number): void {
    if (nonce !== this.#nonce) return;
    const ms = performance.now() - this.#pinged;
    this.#ms = this.#ms === null ? ms : this.#ms + NEWEST * (ms - this.#ms);
  }

  /** Null until it is measured. */
  get link(): NodeLink | null {
    const { assignment, index } = this.#member;
    const next = assignment.stages[(index + 1) % assignment.stages.length];
    if (this.#ms === null || !next) return null;
    return { nodeId: next.nodeId, transport: this.#wire.transport, ms: this.#ms };
  }

  close(): void {
    this.#wire.close();
  }
}
