/** Runs one walk of packages/chain in a thread of its own, so that the page stays alive. */
import { fromHex } from '@blyan/chain/hex';
import { type Target, type WalkEvent, Walker } from '@blyan/chain/walk';
import { httpBytes } from '@blyan/chain/walk-http';
import type { WalkReply, WalkRequest, WalkTarget } from './messages.ts';

/** Events go out together: a page draws at most so often, and a walk has hundreds a second. */
const FLUSH_MS = 50;

const reply = (message: WalkReply) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<WalkRequest>) => {
  run(data).catch((error: unknown) =>
    reply({ kind: 'crashed', message: error instanceof Error ? error.message : String(error) }),
  );
};

async function run({ genesis, base, target, kept }: WalkRequest): Promise<void> {
  const walker = new Walker({ genesis: fromHex(genesis), fetchBytes: httpBytes(base), kept });
  let events: WalkEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (events.length > 0) reply({ kind: 'events', events });
    events = [];
  };
  for await (const event of walker.walk(opened(target))) {
    // Of progress only the newest counts.
    if (events.at(-1)?.kind === 'progress' && event.kind === 'progress') events.pop();
    events.push(event);
    timer ??= setTimeout(flush, FLUSH_MS);
  }
  flush();
}

function opened(target: WalkTarget): Target {
  switch (target.kind) {
    case 'block':
      return { ...target, hash: fromHex(target.hash) };
    case 'tensor': {
      const { kind, root, block, chunk } = target;
      return {
        kind,
        root: fromHex(root),
        ...(block === undefined ? {} : { block: fromHex(block) }),
        ...(chunk === undefined ? {} : { chunk }),
      };
    }
    case 'model':
      return { kind: 'model', model: fromHex(target.model) };
    case 'chains':
      return { kind: 'chains', weights: true };
  }
}
