/** Reads a tensor by ranges and decodes it with the engine's own decoder, row by row. */
import { httpBytes } from '@blyan/chain/walk-http';
import { rowDecoder } from '@blyan/model/formats/decode';
import { rowsOf } from '@blyan/model/formats/layout';
import { rowRange } from '@blyan/model/formats/row-range';
import type { TensorReply, TensorRequest } from './messages.ts';
import { type Run, rowRuns } from './runs.ts';
import { Collector } from './statistics.ts';

/** Requests under way: at most so many MiB are held. */
const AHEAD = 3;

const reply = (message: TensorReply) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<TensorRequest>) => {
  run(data).catch((error: unknown) =>
    reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
};

async function run(request: TensorRequest): Promise<void> {
  const { tensor, view, grid, byteLength, maxBytes } = request;
  const began = performance.now();
  const [rows, columns] = rowsOf(tensor.shape);
  const runs = rowRuns(view.rows, byteLength / rows, maxBytes);
  const collector = new Collector(view, grid);
  const row = new Float32Array(columns);
  let bytes = 0;
  let rowsRead = 0;
  const loading = runs.slice(0, AHEAD).map((part) => load(request, part));
  for (const [i, [from, to]] of runs.entries()) {
    const { stored, part } = await loading.shift()!;
    const ahead = runs[i + AHEAD];
    if (ahead) loading.push(load(request, ahead));
    bytes += stored.length;
    const decode = rowDecoder(part.tensor, stored);
    for (let at = from; at < to; at++) {
      decode(part.skip + at - from, row);
      collector.add(at, row);
    }
    rowsRead += to - from;
    reply({ kind: 'progress', done: i + 1, total: runs.length });
  }
  const [statistics, heatmap] = [collector.statistics(), collector.heatmap()];
  reply({
    kind: 'view',
    view,
    statistics,
    heatmap,
    rowsRead,
    bytes,
    ms: performance.now() - began,
  });
}

/** Awaited when it is its turn; until then a failure is no unhandled one. */
function load(request: TensorRequest, part: Run) {
  const loaded = loadRows(request, part);
  loaded.catch(() => undefined);
  return loaded;
}

async function loadRows({ base, root, tensor }: TensorRequest, [from, to]: Run) {
  const part = rowRange(tensor, from, to);
  const fetchBytes = httpBytes(base);
  const pieces = part.ranges.map((range) =>
    fetchBytes(`/blobs/${root}`, { maxBytes: range.end - range.start, range }),
  );
  const parts = await Promise.all(pieces);
  const stored = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of parts) {
    stored.set(piece, at);
    at += piece.length;
  }
  return { stored, part };
}
