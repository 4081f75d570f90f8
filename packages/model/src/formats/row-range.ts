/**
 * Where some rows of a stored tensor lie, so that a reader who wants a part fetches no more than that:
 * the rows' own bytes and, of formats that keep their scales behind the data, the rows' scales. Both, one
 * behind the other, are the stored bytes of a smaller tensor, which `rowDecoder` reads as any other.
 */
import {
  elements,
  FP8_BLOCK,
  fp8Layout,
  isRunFormat,
  rowsOf,
  type Stored,
  storedRunLayout,
  VALUE_BYTES,
} from './layout.ts';

export interface RowRange {
  /** Bytes of the stored tensor, end exclusive: one or two ranges, in order. */
  ranges: { start: number; end: number }[];
  /** What the ranges, joined, are the stored bytes of. Shape [rows, K]. */
  tensor: Stored;
  /** Rows of that tensor before the first one that was asked for: fp8 scales cover 128 rows. */
  skip: number;
}

/**
 * @param from first row of [N, K]; a vector is one row
 * @param to behind the last row
 * @throws RangeError outside of the tensor; ModelError FORMAT_UNSUPPORTED for a recipe that is not known
 */
export function rowRange(tensor: Stored, from: number, to: number): RowRange {
  const { shape, format } = tensor;
  const [rows, columns] = rowsOf(shape);
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > rows || from >= to) {
    throw new RangeError(`rows ${from} to ${to} of ${tensor.name} [${shape.join(', ')}]`);
  }
  const part = (first: number) => ({ ...tensor, shape: [to - first, columns] });
  if (format === 'fp8') {
    const { columnBlocks, dataBytes } = fp8Layout(shape);
    const block = Math.floor(from / FP8_BLOCK);
    const first = block * FP8_BLOCK;
    const scales = (at: number) => dataBytes + at * columnBlocks * 4;
    return {
      ranges: [
        { start: first * columns, end: to * columns },
        { start: scales(block), end: scales(Math.ceil(to / FP8_BLOCK)) },
      ],
      tensor: part(first),
      skip: from - first,
    };
  }
  if (isRunFormat(format)) {
    const { blocks, blockBytes, dataBytes } = storedRunLayout(tensor);
    const data = (row: number) => row * blocks * blockBytes;
    const scale = (row: number) => dataBytes + row * blocks * 2;
    return {
      ranges: [
        { start: data(from), end: data(to) },
        { start: scale(from), end: scale(to) },
      ],
      tensor: part(from),
      skip: 0,
    };
  }
  const row = (elements(shape) / rows) * VALUE_BYTES[format];
  return { ranges: [{ start: from * row, end: to * row }], tensor: part(from), skip: 0 };
}
