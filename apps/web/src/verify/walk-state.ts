/** What a page shows of a walk, as a fold over its events. */
import type { Progress, Step, StepName, Verdict, WalkEvent } from '@blyan/chain/walk';
import type { WalkTarget } from './messages.ts';

/** Steps that are kept to be listed one by one: those of a model of 400 tensors. */
const MAX_LISTED = 2000;

interface StepSum {
  /** How often it held. */
  held: number;
  bytes: number;
  ms: number;
}

export interface WalkState {
  phase: 'idle' | 'running' | 'holds' | 'broken' | 'unanswered' | 'stopped' | 'crashed';
  sums: Partial<Record<StepName, StepSum>>;
  /** Every step in the order in which it was taken, the first MAX_LISTED of them. */
  steps: Step[];
  progress: Progress | null;
  failed: Step | null;
  /** Checked so far. */
  bytes: number;
  count: number;
  verdict: Verdict | null;
  message: string | null;
}

export const IDLE: WalkState = {
  phase: 'idle',
  sums: {},
  steps: [],
  progress: null,
  failed: null,
  bytes: 0,
  count: 0,
  verdict: null,
  message: null,
};

export function foldEvents(state: WalkState, events: readonly WalkEvent[]): WalkState {
  const next = { ...state, sums: { ...state.sums }, steps: [...state.steps] };
  for (const event of events) {
    switch (event.kind) {
      case 'progress':
        next.progress = event;
        break;
      case 'step':
        addStep(next, event);
        break;
      case 'verdict':
        next.verdict = event;
        next.bytes = event.bytes;
        next.progress = null;
        next.phase = phaseOf(event);
    }
  }
  return next;
}

function addStep(state: WalkState, step: Step): void {
  if (state.steps.length < MAX_LISTED) state.steps.push(step);
  state.count += 1;
  state.bytes += step.bytes;
  if (!step.ok) {
    state.failed = step;
    return;
  }
  const before = state.sums[step.step] ?? { held: 0, bytes: 0, ms: 0 };
  state.sums[step.step] = {
    held: before.held + 1,
    bytes: before.bytes + step.bytes,
    ms: before.ms + step.ms,
  };
}

function phaseOf({ ok, failed }: Verdict): WalkState['phase'] {
  if (ok) return 'holds';
  return failed?.problem?.code === 'SOURCE_FAILED' ? 'unanswered' : 'broken';
}

const BLOCK: StepName[] = [
  'body',
  'header',
  'signature',
  'author',
  'inclusion',
  'checkpoint',
  'history',
  'linkage',
  'genesis',
];

/** The steps of a target, from the bytes to the genesis, as they are shown before any is taken. */
export function stepsOf({ kind }: WalkTarget): StepName[] {
  switch (kind) {
    case 'block':
      return BLOCK;
    case 'tensor':
      return ['leaf', 'path', 'root', 'descriptor', ...BLOCK];
    case 'model':
      return ['leaf', 'path', 'root', 'file', 'layers', ...BLOCK];
    case 'chains':
      return [
        'leaf',
        'path',
        'root',
        'file',
        'layers',
        'checkpoint',
        'history',
        'linkage',
        'genesis',
      ];
  }
}
