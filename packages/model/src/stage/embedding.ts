/** Rows of the embedding, gathered straight from the verified buffer, so that a tied one is held once. */
import type { VerifiedTensor } from '@blyan/chain/tensor';
import { ModelError } from '../errors.ts';
import { type RowDecoder, rowDecoder } from '../formats/decode.ts';

export class EmbeddingTable {
  readonly #decode: RowDecoder;
  readonly rows: number;
  readonly width: number;
  /** Of the stored rows. */
  readonly byteLength: number;

  constructor(tensor: VerifiedTensor) {
    const [rows, width] = tensor.descriptor.shape as [number, number];
    this.rows = rows;
    this.width = width;
    this.byteLength = tensor.bytes.byteLength;
    this.#decode = rowDecoder(tensor.descriptor, tensor.bytes);
  }

  /** Writes the rows of `ids` into `out`, [ids.length, width]. */
  gather(ids: ArrayLike<number>, out: Float32Array): void {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!(id >= 0 && id < this.rows))
        throw new ModelError('TOKEN_UNKNOWN', { id, rows: this.rows });
      this.#decode(id, out.subarray(i * this.width, (i + 1) * this.width));
    }
  }
}
