/** A main node out of recorded answers: what `vectors/walks.json` holds, and `FetchBytes` over it. */
import { fromHex } from '@blyan/chain/hex';
import type { ChainId } from '@blyan/chain/types';
import type { FetchBytes, StepName, Target } from '@blyan/chain/walk';
import { type Bytes, bytesOf } from './support.ts';

/** What is sent under one path; null is a 404. */
type Answer = { json: unknown } | { bytes: Bytes } | null;
export type Answers = Record<string, Answer>;

export type TargetVector =
  | { kind: 'block'; chain: ChainId; hash: string }
  | { kind: 'tensor'; root: string; chunk?: number }
  | { kind: 'model'; model: string; weights?: boolean }
  | { kind: 'chains'; weights: boolean };

export interface WalkCase {
  name: string;
  comment: string;
  target: TargetVector;
  /** 0: every block of B is proved into the log; else chains of up to so many blocks are followed. */
  maxFollowed: number;
  /** Checkpoints from before, hex. */
  kept?: Partial<Record<ChainId, string>>;
  /** Answers that differ from the recorded ones. */
  change?: Answers;
  /** The step that must fail, and its code; without it the walk succeeds. */
  fails?: { step: StepName; code: string; chunk?: number };
}

export interface WalkVectors {
  genesis: string;
  answers: Answers;
  cases: WalkCase[];
}

export function recordedNode(answers: Answers, asked: string[] = []): FetchBytes {
  return async (path, { maxBytes, range }) => {
    asked.push(path);
    const answer = answers[path];
    if (!answer) throw new Error(`status 404 for ${path}`);
    const bytes =
      'json' in answer
        ? new TextEncoder().encode(JSON.stringify(answer.json))
        : bytesOf(answer.bytes);
    const part = range ? bytes.slice(range.start, range.end) : bytes;
    if (part.length > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`);
    return part;
  };
}

export function targetOf(vector: TargetVector): Target {
  switch (vector.kind) {
    case 'block':
      return { ...vector, hash: fromHex(vector.hash) };
    case 'tensor':
      return { ...vector, root: fromHex(vector.root) };
    default:
      return vector;
  }
}
