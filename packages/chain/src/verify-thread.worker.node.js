/**
 * The thread of verify-thread.node.ts: reads a blob, hashes its chunks as merkle.ts does, and gives both
 * away. Plain JavaScript without imports of ours, so that it starts as it is, bundled or not. Whether the
 * hashes are the right ones is not decided here.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

const LEAF_PREFIX = Uint8Array.of(0x00);

/** Null when the file is not of that length, or when the list beside it is not the one of its bytes. */
function readAndHash({ byteLength, leafSize, blob, leaves }) {
  // Resizable, so that its memory can be given back at once.
  const bytes = new ArrayBuffer(byteLength, { maxByteLength: byteLength });
  const hashes = [];
  const file = openSync(blob, 'r');
  try {
    if (fstatSync(file).size !== byteLength) return null;
    for (let start = 0; start === 0 || start < byteLength; start += leafSize) {
      const chunk = new Uint8Array(bytes, start, Math.min(leafSize, byteLength - start));
      for (let done = 0; done < chunk.length; ) {
        const read = readSync(file, chunk, done, chunk.length - done, start + done);
        if (read === 0) return null;
        done += read;
      }
      hashes.push(createHash('sha256').update(LEAF_PREFIX).update(chunk).digest());
    }
  } finally {
    closeSync(file);
  }
  const list = new Uint8Array(Buffer.concat(hashes));
  return readFileSync(leaves).equals(list) ? { bytes, leaves: list } : null;
}

parentPort.on('message', ({ id, ...wanted }) => {
  let made = null;
  try {
    made = readAndHash(wanted);
  } catch {
    // A missing file, a bad sector, no memory: who asked finds out and says so.
  }
  parentPort.postMessage({ id, made }, made ? [made.bytes] : []);
});
