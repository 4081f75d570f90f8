/** What a page and the worker that checks a reader's own file say to each other. */
import type { Step } from '@blyan/chain/walk';
import type { Rerun } from '@blyan/model/formats/run-again';

export interface OwnFileRequest {
  base: string;
  genesis: string;
  model: string;
  file: File;
}

export interface TensorResult extends Partial<Rerun> {
  name: string;
  /**
   * `partly`: the bytes of the file are the recorded ones, and the recipe was not run. `refused`: no import
   * takes such weights. `unused`: part of the file, and no tensor of the model.
   */
  state: 'same' | 'partly' | 'differs' | 'refused' | 'unused';
  /** Why it differs or is refused, or what was not compared. */
  note: string | null;
  bytes: number;
}

export type OwnFileReply =
  /** The model's blocks hold against the pinned genesis; `failed`: they don't. */
  | { kind: 'chain'; failed: Step | null }
  | { kind: 'progress'; done: number; total: number; name: string }
  | { kind: 'tensor'; result: TensorResult }
  | {
      kind: 'file';
      sha256: string;
      /** The recorded file that this one should be: by its hash, else its name, else its length. */
      recorded: { path: string; sha256: string; byteLength: number } | null;
      /** Tensors of the recorded file that this one lacks. */
      missing: string[];
      ms: number;
    }
  | { kind: 'failed'; message: string };
