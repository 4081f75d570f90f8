/**
 * Nodes that are said to serve wrong blobs. Who says so is a node, too, and may lie: the leader asks the
 * accused for the very same bytes, and only what it sees itself counts.
 */
import type { NodeStatus, WrongBlob } from '@blyan/protocol/node';
import { checkSource, type KnownBlobs } from '@blyan/store/check-source';
import { httpSource } from '@blyan/store/http-source';
import type { Logger } from './logger.ts';
import type { NodeRegistry, NodeView } from './nodes.ts';

/** One node's word about another is looked into so often at most; heartbeats repeat it meanwhile. */
const AGAIN_MS = 60_000;
/** The accused has so long for one chunk, in all. */
const LOOK_MS = 20_000;

export interface WrongBlobsDeps {
  nodes: NodeRegistry;
  blobs: KnownBlobs;
  logger: Logger;
  /** A node was caught. */
  caught(nodeId: string, problem: string): void;
}

export class WrongBlobs {
  readonly #deps: WrongBlobsDeps;
  readonly #stop = new AbortController();
  /** Monotonic ms by accuser and accused. */
  readonly #looked = new Map<string, number>();
  /** One at a time: nobody keeps the leader busy with made-up stories. */
  #looking: Promise<void> | null = null;

  constructor(deps: WrongBlobsDeps) {
    this.#deps = deps;
  }

  /** To be called with every status. */
  hear(accuser: string, { wrongBlobs = [] }: NodeStatus, now = performance.now()): void {
    for (const wrong of wrongBlobs) {
      const accused = this.#serverAt(wrong.source);
      if (!accused || accused.id === accuser || this.#looking) continue;
      for (const [key, at] of this.#looked) if (now - at > AGAIN_MS) this.#looked.delete(key);
      const key = `${accuser}/${accused.id}`;
      if (this.#looked.has(key)) continue;
      this.#looked.set(key, now);
      this.#looking = this.#look(accused.id, wrong, accuser).finally(() => {
        this.#looking = null;
      });
    }
  }

  /** Resolves when nothing is looked at any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  /** A node that others are told to fetch from. */
  #serverAt(url: string): NodeView | undefined {
    return [...this.#deps.nodes.all()].find(
      ({ row, status }) =>
        httpSource(status?.capacity?.blobUrl ?? '').name === url &&
        row?.scopes.includes('blobs') &&
        row.mark === null,
    );
  }

  async #look(nodeId: string, wrong: WrongBlob, accuser: string): Promise<void> {
    const { blobs, logger, caught } = this.#deps;
    const { source, root, chunk } = wrong;
    const what = chunk === null ? `leaf hashes of blob ${root}` : `chunk ${chunk} of blob ${root}`;
    const fields = { nodeId, accuser, root, chunk };
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LOOK_MS)]);
    try {
      const right = await checkSource(httpSource(source), { root, chunk }, blobs, signal);
      if (right === false) caught(nodeId, `serves wrong ${what}`);
      else logger.warn({ ...fields, right }, 'a node is said to serve a wrong blob, but does not');
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const { message: problem } = error as Error;
      logger.warn(
        { ...fields, problem },
        'a node is said to serve a wrong blob, and cannot be asked',
      );
    }
  }
}
