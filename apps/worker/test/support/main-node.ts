/** What a worker reads of the main node, over real HTTP: blocks, checkpoints, blobs with ranges. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toBase64 } from '@blyan/chain/base64';
import { openCheckpoint, signCheckpoint } from '@blyan/chain/checkpoint';
import { toWire, type WireBlock } from '@blyan/chain/json';
import type { ChainId } from '@blyan/chain/types';
import type { Network } from './network.ts';

export interface MainNode extends AsyncDisposable {
  url: string;
  /** May change what is sent for a block, as a dishonest main node would. */
  tamper: ((block: WireBlock) => WireBlock) | null;
  /** Blocks beyond these heights are hidden. */
  hideFrom: Partial<Record<ChainId, number>>;
  requests: string[];
}

export async function serveMainNode(network: Network): Promise<MainNode> {
  const { verifier, store, secretKey } = network;
  const node = { tamper: null, hideFrom: {}, requests: [] as string[] } as unknown as MainNode;
  const size = (chain: ChainId) => Math.min(verifier.size(chain), node.hideFrom[chain] ?? Infinity);

  const json = (path: string, query: URLSearchParams): unknown => {
    const [, , chain, what] = path.split('/') as [string, string, ChainId, string];
    if (what === 'checkpoint') {
      const head = verifier.at(chain, size(chain) - 1)!;
      const log = verifier.logRoot(chain, size(chain));
      const signed = signCheckpoint(
        { chain, size: size(chain), head: head.hash, log, time: head.header.time },
        secretKey,
      );
      return { bytes: toBase64(openCheckpoint(signed).bytes) };
    }
    const from = Number(query.get('from'));
    const end = Math.min(from + Number(query.get('limit')), size(chain));
    const blocks = verifier.blocks(chain).slice(from, end).map(toWire);
    const sent = node.tamper ? blocks.map(node.tamper) : blocks;
    return { chain, size: size(chain), blocks: sent, next: end < size(chain) ? end : null };
  };

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://main');
    node.requests.push(pathname);
    try {
      if (pathname.startsWith('/chain/')) {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(json(pathname, searchParams)));
        return;
      }
      const [, , root, leaves] = pathname.split('/') as [string, string, string, string?];
      const blob = await store.stat(root);
      if (!blob) {
        response.writeHead(404).end();
      } else if (leaves) {
        response.end(await store.leaves(root));
      } else {
        const [, a, b] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
        const range = { start: Number(a), end: Number(b) + 1 };
        response.writeHead(206, { 'content-range': `bytes ${a}-${b}/${blob.byteLength}` });
        store.read(root, range).pipe(response);
      }
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  node.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  node[Symbol.asyncDispose] = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return node;
}
