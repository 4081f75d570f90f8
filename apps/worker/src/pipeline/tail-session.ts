/** The end of a model whose layers are elsewhere: final norm and output head, on the head's node. */
import type { StageGraph } from '@blyan/model/stage/graph';
import { headOnly } from '@blyan/model/stage/plan';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { createParts, type StageSessionOptions } from '../engine/stage-parts.ts';

export class TailSession {
  readonly memoryBytes: number;
  readonly #session: InferenceSession;
  readonly #width: number;
  #minRows: 1 | 2 = 1;

  private constructor(session: InferenceSession, width: number, memoryBytes: number) {
    this.#session = session;
    this.#width = width;
    this.memoryBytes = memoryBytes;
  }

  /** @param slots of the stages: with one there is no other row that could change a row's bits */
  static async create(
    graph: StageGraph,
    options: StageSessionOptions & { slots: number },
  ): Promise<TailSession> {
    const { config } = graph.spec;
    async function* one() {
      yield graph;
    }
    const { parts, memoryBytes } = await createParts(headOnly(config), one(), options);
    const tail = new TailSession(parts[0]!.session, config.hidden, memoryBytes);
    if (options.slots > 1) tail.#minRows = await tail.#findMinRows();
    return tail;
  }

  /**
   * @param hidden [rows, hidden] behind the last layer
   * @param alone a prefill, whose last row is multiplied by itself, as one session over all layers does it
   * @returns [rows, vocab]
   */
  async logits(hidden: Float32Array, alone: boolean): Promise<Float32Array> {
    const rows = hidden.length / this.#width;
    const padded = alone ? rows : Math.max(rows, this.#minRows);
    const out = await this.#run(hidden, padded);
    return out.subarray(0, (out.length / padded) * rows);
  }

  async #run(hidden: Float32Array, padded: number): Promise<Float32Array> {
    const rows = hidden.length / this.#width;
    const values = new Float32Array(padded * this.#width);
    values.set(hidden);
    const numbers = Int32Array.from({ length: padded }, (_, i) => Math.min(i, rows - 1));
    const { logits } = await this.#session.run({
      hidden: new Tensor('float32', values, [padded, this.#width]),
      rows: new Tensor('int32', numbers, [padded]),
    });
    return logits!.data as Float32Array;
  }

  /** As StageSession asks it of its layers. */
  async #findMinRows(): Promise<1 | 2> {
    const row = Float32Array.from({ length: this.#width }, (_, i) => Math.sin(i + 1) / 4);
    const alone = await this.#run(row, 1);
    const beside = await this.#run(row, 2);
    return alone.every((value, i) => Object.is(value, beside[i])) ? 1 : 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}
