/** The engine process behind its IPC channel: loads once, then generates. */
import { availableParallelism } from 'node:os';
import { toHex } from '@blyan/chain/hex';
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import type { LoadProgress, NodeJob } from '@blyan/protocol/node';
import { BlobStore } from '@blyan/store/blob-store';
import { httpSource } from '@blyan/store/http-source';
import type { Healed } from '@blyan/store/load';
import { syncChains } from './chain-sync.ts';
import { CheckpointMemory } from './checkpoint-memory.ts';
import { EngineError, failureOf } from './errors.ts';
import { kvBytesPerPosition } from './kv-cache.ts';
import { KvMemory } from './kv-memory.ts';
import { loadStage, pickModel } from './load-model.ts';
import { EngineLoop } from './loop.ts';
import type { EngineCommand, EngineMessage, LoadCommand } from './messages.ts';
import { numericsProfile } from './numerics.ts';

/** Progress messages are for people: more often than this only costs time. */
const PROGRESS_MS = 100;
/** Sequences in one decode run: each costs nodes in every layer, and beyond it a run only gets longer. */
const MAX_BATCH = 16;
/** Of the memory that is free once the model is loaded: the rest of the machine wants some, too. */
const KV_SHARE = 0.5;

export interface EngineDeps {
  send(message: EngineMessage): void;
  /** Aborts a load. */
  signal: AbortSignal;
}

export class Engine {
  readonly #deps: EngineDeps;
  #loop: EngineLoop | null = null;
  #loading = false;
  #lastProgress = 0;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  async handle(command: EngineCommand): Promise<void> {
    switch (command.type) {
      case 'load':
        return await this.#load(command);
      case 'submit':
        if (this.#loop) return this.#loop.submit(command.job);
        return this.#refuse(command.job);
      case 'cancel':
        return this.#loop?.cancel(command.requestId, command.attempt);
      case 'drain':
        await this.#loop?.drain();
        return this.#deps.send({ type: 'drained' });
    }
  }

  async #load(command: LoadCommand): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      this.#loop = await this.#build(command);
    } catch (error) {
      if (this.#deps.signal.aborted) return;
      this.#deps.send({ type: 'failed', ...failureOf(error, MAX_ERROR_CHARS) });
    }
  }

  async #build(command: LoadCommand): Promise<EngineLoop> {
    const { send, signal } = this.#deps;
    const { genesis, mainUrl, slots } = command;
    const verifier = await syncChains(genesis, {
      mainUrl,
      checkpoints: new CheckpointMemory(command.checkpointDir),
      signal,
      onProgress: (done, total) => this.#progress({ phase: 'sync', done, total, unit: 'blocks' }),
    });
    const model = pickModel(verifier, command.model);
    const { files, session } = await loadStage(
      { verifier, model },
      {
        store: await BlobStore.open(command.storeDir),
        sources: [...new Set([mainUrl, ...command.sources])].map((url) => httpSource(url)),
        diskBytes: command.diskBytes ?? 0,
        signal,
        onProgress: (progress) => this.#progress(progress),
        onHealed: (healed) => send({ type: 'notice', message: healedNotice(healed) }),
      },
      {
        slots: Math.min(slots, MAX_BATCH),
        kv: command.kv,
        threads: command.threads || availableParallelism(),
      },
    );
    const { config, spec, numerics } = session;
    const layers = spec.layers[1] - spec.layers[0] + 1;
    this.#progress({ phase: 'build', done: layers, total: layers, unit: 'layers' });
    const hash = toHex(model.hash);
    send({
      type: 'ready',
      ready: {
        model: hash,
        name: model.body.name,
        layers: spec.layers,
        numerics: numericsProfile(numerics),
        context: files.config.context,
        slots,
      },
    });
    const bytesPerPosition = kvBytesPerPosition(config, layers, numerics.kv);
    const bytes = command.kvBytes || Math.floor(process.availableMemory() * KV_SHARE);
    const memory = new KvMemory({ config, bytes, bytesPerPosition }, () => session.createCache());
    return new EngineLoop(
      { model: hash, slots },
      { session, memory, emit: (event) => send({ type: 'event', event }) },
    );
  }

  /** A job that comes before the model is there. */
  #refuse({ requestId, attempt }: NodeJob): void {
    const failure = failureOf(new EngineError('ENGINE_LOADING'), MAX_ERROR_CHARS);
    this.#deps.send({ type: 'event', event: { type: 'fail', requestId, attempt, ...failure } });
  }

  #progress(progress: LoadProgress): void {
    const now = performance.now();
    if (progress.done < progress.total && now - this.#lastProgress < PROGRESS_MS) return;
    this.#lastProgress = now;
    this.#deps.send({ type: 'progress', progress });
  }
}

const healedNotice = ({ root, tensor, chunk, source }: Healed) =>
  `${tensor}: chunk ${chunk} of blob ${root} was damaged and has been repaired from ${source ?? 'memory'}.`;
