/**
 * PostgreSQL's binary COPY (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format") over
 * node-postgres, where INSERT of many rows writes a tenth as many.
 */
import type pg from 'pg';

export type Field =
  | { text: string }
  | { int2: number }
  | { int4: number }
  | { int8: number }
  | { int8s: readonly number[] }
  | { bytes: Uint8Array };

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const END = Buffer.from([0xff, 0xff]);
/** Rows are sent together: one write a row would cost more than making the row. */
const CHUNK = 1 << 20;
/** The longest row that is written here, with room to spare. */
const MAX_ROW = 1 << 16;

function encodeField(into: Buffer, start: number, field: Field): number {
  const at = start + 4;
  let end: number;
  if ('bytes' in field) {
    into.set(field.bytes, at);
    end = at + field.bytes.length;
  } else if ('text' in field) end = at + into.write(field.text, at);
  else if ('int2' in field) end = into.writeInt16BE(field.int2, at);
  else if ('int4' in field) end = into.writeInt32BE(field.int4, at);
  else if ('int8' in field) end = into.writeBigInt64BE(BigInt(field.int8), at);
  else end = encodeArray(into, at, field.int8s);
  into.writeInt32BE(end - at, start);
  return end;
}

/** One dimension, counted from 1, no nulls; 20 is the number of the type int8. */
function encodeArray(into: Buffer, start: number, items: readonly number[]): number {
  let at = start;
  for (const number of [1, 0, 20, items.length, 1]) at = into.writeInt32BE(number, at);
  for (const item of items) {
    at = into.writeInt32BE(8, at);
    at = into.writeBigInt64BE(BigInt(item), at);
  }
  return at;
}

function* chunks(rows: Iterable<readonly Field[]>): Generator<Buffer> {
  let chunk = Buffer.allocUnsafe(CHUNK);
  let at = 0;
  for (const row of rows) {
    if (at > CHUNK - MAX_ROW) {
      yield chunk.subarray(0, at);
      chunk = Buffer.allocUnsafe(CHUNK);
      at = 0;
    }
    at = chunk.writeInt16BE(row.length, at);
    for (const field of row) at = encodeField(chunk, at, field);
  }
  yield chunk.subarray(0, at);
}

/** The part of node-postgres's connection that a COPY needs. */
interface Wire {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** Rows in, in one COPY. @param sql `COPY "Table" (columns) FROM STDIN (FORMAT binary)` */
export function copyIn(client: pg.Client, sql: string, rows: Iterable<readonly Field[]>) {
  return new Promise<void>((resolve, reject) => {
    // node-postgres calls these on whatever is given to `query` with a `submit`.
    const copy = {
      submit: (wire: Wire) => wire.query(sql),
      handleCopyInResponse(wire: Wire) {
        wire.sendCopyFromChunk(SIGNATURE);
        for (const chunk of chunks(rows)) wire.sendCopyFromChunk(chunk);
        wire.sendCopyFromChunk(END);
        wire.endCopyFrom();
      },
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => resolve(),
      handleError: (error: Error) => reject(error),
    };
    (client as unknown as { query(submittable: typeof copy): void }).query(copy);
  });
}
