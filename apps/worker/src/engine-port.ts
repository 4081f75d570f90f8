/**
 * What the worker needs of its engine: a child process that loads one model and generates. Made by
 * engine-process.ts. Only tokens and control messages cross the boundary; weights never do.
 */

import type {
  LoadProgress,
  NodeEvent,
  NodeFailure,
  NodeJob,
  NumericsProfile,
  WrongBlob,
} from '@blyan/protocol/node';
import type { Assigned, EngineStats } from './engine/messages.ts';

/** What can be said of the engine once it serves. */
export interface EngineReady {
  /** Block hash of the model block, hex. */
  model: string;
  layers: [number, number];
  numerics: NumericsProfile;
  slots: number;
  /** Positions of prompt and answer together that one sequence may have. */
  context: number;
}

/** Events of one attempt, in the very shape in which they go to the coordinator. */
export type AttemptEvent = Exclude<NodeEvent, { type: 'status' }>;

interface EngineListener {
  progress(progress: LoadProgress): void;
  /** Something went wrong and was put right. */
  notice(text: string): void;
  /** A source of blobs sent wrong bytes. */
  wrongBlob(wrong: WrongBlob): void;
  ready(ready: EngineReady): void;
  /** The layers are loaded, but other stages of the pipeline are missing; `ready` follows. */
  connecting(): void;
  stats(stats: EngineStats): void;
  /** It cannot serve; the process stays, and does nothing until it is ended. */
  failed(failure: NodeFailure): void;
  /** Every attempt ends with one `done` or `fail`. */
  event(event: AttemptEvent): void;
  /** The process is gone, whatever the reason; nothing comes behind this. */
  exit(reason: string): void;
}

export interface EngineProcess {
  /** Starts an attempt; throws when the process is just going, and `exit` follows. */
  submit(job: NodeJob): void;
  /** Ends an attempt early; it still ends with `done` or `fail`. Throws as `submit`. */
  cancel(requestId: string, attempt: number): void;
  /** The same layers in another pipeline; throws as `submit`. */
  assign(assigned: Assigned): void;
  /** Ends the process at once; `exit` follows. */
  kill(): void;
}

/** Forks the process, which begins at once to load what the node is assigned. */
export type StartEngine = (listener: EngineListener) => EngineProcess;
