/** The end of a model whose layers are elsewhere: final norm and output head, on the head's node. */
import type { StageGraph } from '@blyan/model/stage/graph';
import { headOnly } from '@blyan/model/stage/plan';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { createParts, type StageSessionOptions } from '../engine/stage-parts.ts';

export class TailSession {
  readonly memoryBytes: number;
  readonly #session: InferenceSession;
  readonly #width: number;
  /** As StageSession has it. */
  #rowMultiple: 1 | 2 = 1;

  private constructor(session: InferenceSession, width: number, memoryBytes: number) {
    this.#session = session;
    this.#width = width;
    this.memoryBytes = memoryBytes;
  }

  static async create(graph: StageGraph, options: StageSessionOptions): Promise<TailSession> {
    const { config } = graph.spec;
    async function* one() {
      yield graph;
    }
    const { parts, memoryBytes } = await createParts(headOnly(config), one(), options);
    const tail = new TailSession(parts[0]!.session, config.hidden, memoryBytes);
    tail.#rowMultiple = await tail.#findRowMultiple();
    return tail;
  }

  /**
   * @param hidden [rows, hidden] behind the last layer
   * @param alone a prefill, whose last row is multiplied by itself, as one session over all layers does it
   * @returns [rows, vocab]
   */
  async logits(hidden: Float32Array, alone: boolean): Promise<Float32Array> {
    const rows = hidden.length / this.#width;
    const padded = alone ? rows : rows + (rows % this.#rowMultiple);
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

  /** As StageSession asks it of its layers: the same row alone, and as the odd one behind a pair. */
  async #findRowMultiple(): Promise<1 | 2> {
    const row = Float32Array.from({ length: this.#width }, (_, i) => Math.sin(i + 1) / 4);
    const three = new Float32Array(3 * this.#width);
    for (let i = 0; i < 3; i++) three.set(row, i * this.#width);
    const alone = await this.#run(row, 1);
    const together = await this.#run(three, 3);
    const same = together.every((value, i) => Object.is(value, alone[i % alone.length]));
    return same ? 1 : 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}
