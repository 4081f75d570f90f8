/** A main node that lies: passes everything on, and changes what a test says. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

type Answer = Buffer | { status: number };
/** A promise that never settles is an answer that never comes. */
export type Tamper = (path: string, bytes: Buffer) => Answer | Promise<Answer>;

/** Of one connection, or about bodies that the proxy has unpacked already; to the node the origin is another's. */
const OWN =
  /^(host|origin|connection|keep-alive|transfer-encoding|content-length|content-encoding)$/;

export class TamperingServer implements AsyncDisposable {
  readonly url: string;
  tamper: Tamper = (_, bytes) => bytes;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async before(url: string): Promise<TamperingServer> {
    let self: TamperingServer | undefined;
    const server = createServer(async (request, response) => {
      const path = request.url ?? '/';
      const asked = Object.entries(request.headers).filter(([name]) => !OWN.test(name));
      try {
        const answer = await fetch(url + path, {
          headers: asked as [string, string][],
          redirect: 'manual',
        });
        const bytes = await self!.tamper(path, Buffer.from(await answer.arrayBuffer()));
        const headers = [...answer.headers].filter(([name]) => !OWN.test(name));
        if (!Buffer.isBuffer(bytes)) response.writeHead(bytes.status).end();
        else response.writeHead(answer.status, Object.fromEntries(headers)).end(bytes);
      } catch {
        // The browser went elsewhere, or the product has ended.
        response.destroy();
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    self = new TamperingServer(server);
    return self;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Changes one bit of the answers under paths that begin so. */
export const flip =
  (path: string, at: number): Tamper =>
  (asked, bytes) => {
    if (asked === path) bytes[at]! ^= 0x10;
    return bytes;
  };

interface Wire {
  height: number;
  hash: string;
  headerBytes: string;
  bodyBytes: string;
  signature: string;
}

/** Changes one block of a chain's pages, as verifiers read them; `null` leaves it out. */
export const changeBlock =
  (chain: string, height: number, change: (block: Wire) => Wire | null): Tamper =>
  (path, bytes) => {
    if (!path.startsWith(`/chain/${chain}/blocks?from=`)) return bytes;
    const page = JSON.parse(bytes.toString()) as { blocks: Wire[] };
    const blocks = page.blocks.flatMap((block) =>
      block.height === height ? (change(block) ?? []) : block,
    );
    return Buffer.from(JSON.stringify({ ...page, blocks }));
  };

/** Base64 with one bit changed. */
export function flipBase64(text: string, at: number): string {
  const bytes = Buffer.from(text, 'base64');
  bytes[at]! ^= 1;
  return bytes.toString('base64');
}

/** Changes the JSON of one path. */
export const changeJson =
  (path: string, change: (value: Record<string, unknown>) => unknown): Tamper =>
  (asked, bytes) =>
    asked === path ? Buffer.from(JSON.stringify(change(JSON.parse(bytes.toString())))) : bytes;

/** Another digit at one place of a hash in hex. */
export const flipHex = (text: string, at = 5) =>
  text.slice(0, at) + (Number.parseInt(text[at]!, 16) ^ 1).toString(16) + text.slice(at + 1);

/** As pages show a hash. */
const cut = (hash: string) => `${hash.slice(0, 8)}…${hash.slice(-6)}`;

/**
 * Another hash in place of one, in all answers under a path, be they pages. Its cut form, too: else React could
 * notice that a text which it was sent is not what the data beside it say, before anything is verified.
 */
export const renameHash =
  (path: string, from: string, to: string): Tamper =>
  (asked, bytes) =>
    asked.startsWith(path)
      ? Buffer.from(bytes.toString().replaceAll(from, to).replaceAll(cut(from), cut(to)))
      : bytes;
