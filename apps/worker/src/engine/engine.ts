/** The engine process behind its IPC channel: loads once, then generates. */
import { availableParallelism } from 'node:os';
import { toHex } from '@blyan/chain/hex';
import type { ChainVerifier, VerifiedBlock } from '@blyan/chain/verify';
import type { ModelConfig } from '@blyan/model/config';
import type { ModelFiles } from '@blyan/model/files';
import { DEFAULT_STAGE_SLOTS } from '@blyan/protocol/assignment';
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import type { LoadProgress, NodeJob } from '@blyan/protocol/node';
import { BlobStore } from '@blyan/store/blob-store';
import type { BlobSource } from '@blyan/store/fetch';
import { httpSource } from '@blyan/store/http-source';
import type { Healed } from '@blyan/store/load';
import { HeadServing } from '../pipeline/head-serving.ts';
import { membershipOf } from '../pipeline/stage-net.ts';
import { serveStage } from '../pipeline/stage-serving.ts';
import { syncChains } from './chain-sync.ts';
import { CheckpointMemory } from './checkpoint-memory.ts';
import { EngineError, failureOf } from './errors.ts';
import { kvBytesPerPosition } from './kv-cache.ts';
import { KvMemory } from './kv-memory.ts';
import { type LoadDeps, loadHead, loadStage, pickModel } from './load-model.ts';
import type {
  Assigned,
  EngineCommand,
  EngineMessage,
  EngineReady,
  JobEvent,
  LoadCommand,
} from './messages.ts';
import { Meter } from './meter.ts';
import { numericsProfile } from './numerics.ts';
import type { Serving } from './serving.ts';
import { serveWhole } from './whole-serving.ts';

/** Progress messages are for people: more often than this only costs time. */
const PROGRESS_MS = 100;
/** Sequences in one decode run: each costs nodes in every layer, and beyond it a run only gets longer. */
const MAX_BATCH = 16;
/** Of the memory that is free once the model is loaded: the rest of the machine wants some, too. */
const KV_SHARE = 0.5;

/** Numbers for the status are told this often. */
const STATS_MS = 1000;

export interface EngineDeps {
  send(message: EngineMessage): void;
  /** Aborts a load. */
  signal: AbortSignal;
}

export class Engine {
  readonly #deps: EngineDeps;
  readonly #meter = new Meter();
  #serving: Serving | null = null;
  #lastProgress = 0;
  /** The load and later assignments, one after the other. */
  #assigning: Promise<void> = Promise.resolve();

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  async handle(command: EngineCommand): Promise<void> {
    switch (command.type) {
      case 'load':
        // An assignment that comes meanwhile waits for its layers.
        this.#assigning = this.#load(command);
        return await this.#assigning;
      case 'assign':
        return await this.#assign(command.assigned);
      case 'submit':
        if (this.#serving) return this.#serving.submit(command.job);
        return this.#refuse(command.job);
      case 'cancel':
        return this.#serving?.cancel(command.requestId, command.attempt);
      case 'drain':
        await this.#serving?.drain();
        return this.#deps.send({ type: 'drained' });
    }
  }

  async #load(command: LoadCommand): Promise<void> {
    try {
      this.#serving = await this.#build(command);
      const stats = setInterval(() => this.#tellStats(), STATS_MS);
      stats.unref();
      this.#deps.signal.addEventListener('abort', () => clearInterval(stats));
    } catch (error) {
      this.#failed(error);
    }
  }

  async #assign(assigned: Assigned): Promise<void> {
    this.#assigning = this.#assigning.then(async () => {
      try {
        await this.#serving?.assign(assigned);
      } catch (error) {
        this.#failed(error);
      }
    });
    await this.#assigning;
  }

  #failed(error: unknown): void {
    if (this.#deps.signal.aborted) return;
    const { code, message, retry } = failureOf(error, MAX_ERROR_CHARS);
    this.#deps.send({ type: 'failed', code, message, retry });
  }

  async #build(command: LoadCommand): Promise<Serving> {
    const { signal } = this.#deps;
    const { genesis, mainUrl, assigned } = command;
    const verifier = await syncChains(genesis, {
      mainUrl,
      checkpoints: new CheckpointMemory(command.checkpointDir),
      signal,
      onProgress: (done, total) => this.#progress({ phase: 'sync', done, total, unit: 'blocks' }),
    });
    const from = {
      verifier,
      model: pickModel(verifier, assigned?.assignment.model ?? command.model),
    };
    const peers = (assigned?.assignment.blobSources ?? []).map((url) => httpSource(url));
    const sources = [mainUrl, ...command.sources].map((url) => httpSource(url));
    const store = await BlobStore.open(command.storeDir);
    if (command.diskBytes && (await store.isProtected())) {
      this.#notice(
        `BLYAN_WORKER_DISK_MB bounds nothing here: ${store.dir} is the main node's own store, and nothing is removed from it.`,
      );
    }
    const blobs: LoadDeps = {
      store,
      sources: distinct([...sources, ...peers]),
      diskBytes: command.diskBytes ?? 0,
      signal,
      onProgress: (progress) => this.#progress(progress),
      onHealed: (healed) => this.#notice(healedNotice(healed)),
      onWrong: this.#onWrong(new Set(peers.map(({ name }) => name))),
    };
    const stages = assigned?.assignment.stages.length ?? 1;
    if (!assigned || stages === 1) return await this.#buildWhole(from, blobs, command);
    const { index } = membershipOf(assigned);
    return index === 0
      ? await this.#buildHead(from, blobs, command, assigned)
      : await this.#buildStage(from, blobs, command, assigned, index);
  }

  async #buildWhole(from: Source, blobs: LoadDeps, command: LoadCommand): Promise<Serving> {
    const { slots } = command;
    const loaded = await loadStage(from, blobs, buildOptions(command, slots));
    const { session, files, stepBytes } = loaded;
    this.#built(session.spec.layers);
    const kv = kvBudget(files.config, session.spec.layers, command);
    const memory = new KvMemory({ config: files.config, ...kv }, () => session.createCache());
    const model = toHex(from.model.hash);
    this.#ready(from, files, {
      layers: session.spec.layers,
      numerics: numericsProfile(session.numerics),
      slots,
    });
    return serveWhole(
      { model, slots },
      {
        session,
        memory,
        emit: (event) => this.#emit(event),
        onDecode: (ms) => this.#meter.step(ms, stepBytes),
      },
    );
  }

  async #buildHead(
    from: Source,
    blobs: LoadDeps,
    command: LoadCommand,
    assigned: Assigned,
  ): Promise<Serving> {
    const { layers } = assigned.assignment.stages[0]!;
    const runSlots = stageSlots(assigned);
    const head = await loadHead(from, blobs, { ...buildOptions(command, runSlots), layers });
    this.#built(layers);
    const { slots } = command;
    return await HeadServing.start(assigned, {
      head,
      slots,
      ...kvDeps(kvBudget(head.files.config, layers, command)),
      emit: (event) => this.#emit(event),
      notice: (text) => this.#notice(text),
      onDecode: (ms) => this.#meter.step(ms, head.stepBytes),
      ready: (numerics) => this.#ready(from, head.files, { layers, numerics, slots }),
      connecting: () => this.#deps.send({ type: 'connecting' }),
    });
  }

  async #buildStage(
    from: Source,
    blobs: LoadDeps,
    command: LoadCommand,
    assigned: Assigned,
    index: number,
  ): Promise<Serving> {
    const { layers } = assigned.assignment.stages[index]!;
    const runSlots = stageSlots(assigned);
    const { session, files, stepBytes } = await loadStage(from, blobs, {
      ...buildOptions(command, runSlots),
      spec: ({ config }) => ({ config, layers, embed: false, head: false }),
    });
    this.#built(layers);
    const numerics = numericsProfile(session.numerics);
    const serving = await serveStage(assigned, {
      session,
      numerics,
      ...kvDeps(kvBudget(files.config, layers, command)),
      emit: (event) => this.#emit(event),
      notice: (text) => this.#notice(text),
      onDecode: (ms) => this.#meter.step(ms, stepBytes),
    });
    this.#ready(from, files, { layers, numerics, slots: runSlots });
    return serving;
  }

  #built([first, last]: [number, number]): void {
    const total = last - first + 1;
    this.#progress({ phase: 'build', done: total, total, unit: 'layers' });
  }

  #ready(
    { model }: Source,
    files: ModelFiles,
    rest: Pick<EngineReady, 'layers' | 'numerics' | 'slots'>,
  ): void {
    const { context } = files.config;
    const ready = { model: toHex(model.hash), name: model.body.name, context, ...rest };
    this.#deps.send({ type: 'ready', ready });
  }

  /** A job that comes before the model is there. */
  #refuse({ requestId, attempt }: NodeJob): void {
    const failure = failureOf(new EngineError('ENGINE_LOADING'), MAX_ERROR_CHARS);
    this.#deps.send({ type: 'event', event: { type: 'fail', requestId, attempt, ...failure } });
  }

  #emit(event: JobEvent): void {
    if (event.type === 'tokens') this.#meter.tokens(event.tokens.length);
    this.#deps.send({ type: 'event', event });
  }

  #notice(message: string): void {
    this.#deps.send({ type: 'notice', message });
  }

  /** Tells of other nodes that send wrong bytes; of each once, as all of its chunks may be wrong. */
  #onWrong(peers: Set<string>): LoadDeps['onWrong'] {
    return (wrong) => {
      if (peers.delete(wrong.source)) this.#deps.send({ type: 'wrong-blob', wrong });
    };
  }

  #tellStats(): void {
    const serving = this.#serving;
    if (!serving) return;
    const load = {
      ...serving.load,
      tokensPerSecond: this.#meter.tokensPerSecond(),
      residentBytes: process.memoryUsage.rss(),
    };
    const { links } = serving;
    const weightBytesPerSecond = this.#meter.bytesPerSecond;
    this.#deps.send({ type: 'stats', stats: { load, links, weightBytesPerSecond } });
  }

  #progress(progress: LoadProgress): void {
    const now = performance.now();
    if (progress.done < progress.total && now - this.#lastProgress < PROGRESS_MS) return;
    this.#lastProgress = now;
    this.#deps.send({ type: 'progress', progress });
  }
}

interface Source {
  verifier: ChainVerifier;
  model: VerifiedBlock<'model'>;
}

const buildOptions = ({ kv, threads }: LoadCommand, slots: number) => ({
  slots: Math.min(slots, MAX_BATCH),
  kv,
  threads: threads || availableParallelism(),
});

const stageSlots = ({ assignment }: Assigned) => assignment.slots ?? DEFAULT_STAGE_SLOTS;

/** Asked when the layers are loaded: what is free then is for the caches. */
function kvBudget(config: ModelConfig, [first, last]: [number, number], command: LoadCommand) {
  return {
    bytesPerPosition: kvBytesPerPosition(config, last - first + 1, command.kv),
    bytes: command.kvBytes || Math.floor(process.availableMemory() * KV_SHARE),
  };
}

const kvDeps = ({ bytes, bytesPerPosition }: ReturnType<typeof kvBudget>) => ({
  kvBytes: bytes,
  bytesPerPosition,
});

const healedNotice = ({ root, tensor, chunk, source }: Healed) =>
  `${tensor}: chunk ${chunk} of blob ${root} was damaged and has been repaired from ${source ?? 'memory'}.`;

const distinct = (sources: BlobSource[]): BlobSource[] => [
  ...new Map(sources.map((source) => [source.name, source])).values(),
];
