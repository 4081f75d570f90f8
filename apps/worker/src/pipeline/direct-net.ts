/**
 * Frames from worker to worker over TLS 1.3. Both sides show a certificate over their node key, TLS
 * proves that they hold it, and the assignment says which key the neighbour has. A neighbour that
 * cannot be reached is sent frames through Redis instead, as is all that is no neighbour's.
 */

import type { KeyObject } from 'node:crypto';
import { constants } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { MAX_FRAME_BYTES } from '@blyan/protocol/frames';
import type { Membership } from './member.ts';
import type { Arrival, StageNet, Wire } from './net.ts';
import { nodeCertificate, publicKeyOf } from './node-certificate.ts';

/** For each address of a neighbour: on one network a handshake takes milliseconds. */
const CONNECT_MS = 1500;
/** What may wait in a socket: more than that and the neighbour does not keep up. */
const MAX_WAITING_BYTES = 64 * 2 ** 20;
/** One neighbour, and strangers on their way to be refused. */
const MAX_CONNECTIONS = 32;
const LENGTH_BYTES = 4;

export interface DirectOptions {
  /** Private Ed25519 key of this node. */
  key: KeyObject;
  /** Where to listen; null: other nodes cannot reach this one. */
  listen: { host: string; port: number } | null;
  notice(text: string): void;
}

export class DirectNet implements StageNet {
  readonly #member: Membership;
  readonly #redis: StageNet;
  readonly #options: DirectOptions;
  readonly #identity: { key: string; cert: string };
  /** Those in the middle of a handshake, too. */
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #handler: (arrival: Arrival) => void = () => undefined;

  private constructor(member: Membership, redis: StageNet, options: DirectOptions) {
    this.#member = member;
    this.#redis = redis;
    this.#options = options;
    this.#identity = nodeCertificate(options.key);
  }

  /** @param redis for all that cannot go directly; it is disposed with this */
  static async open(
    member: Membership,
    redis: StageNet,
    options: DirectOptions,
  ): Promise<DirectNet> {
    const net = new DirectNet(member, redis, options);
    if (options.listen) await net.#listen(options.listen);
    return net;
  }

  /** Null without a listener. */
  get port(): number | null {
    return (this.#server?.address() as AddressInfo | undefined)?.port ?? null;
  }

  listen(handler: (arrival: Arrival) => void): void {
    this.#handler = handler;
    this.#redis.listen(handler);
  }

  post(to: number, bytes: Uint8Array): void {
    this.#redis.post(to, bytes);
  }

  async connect(to: number, closed: (reason: string) => void): Promise<Wire> {
    const stage = this.#member.assignment.stages[to];
    for (const address of stage?.addresses ?? []) {
      try {
        return this.#wire(await this.#dial(address, stage!.publicKey), to, closed);
      } catch (error) {
        const reason = (error as Error).message;
        this.#options.notice(`stage ${to} cannot be reached at ${address}: ${reason}`);
      }
    }
    return await this.#redis.connect(to, closed);
  }

  #dial(address: string, publicKey: string): Promise<TLSSocket> {
    const at = address.lastIndexOf(':');
    const host = address.slice(0, at).replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) => {
      const socket = connect({
        host,
        port: Number(address.slice(at + 1)),
        ...this.#identity,
        minVersion: 'TLSv1.3',
        // There is no authority: the key itself is compared below.
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      });
      const timer = setTimeout(() => fail(new Error('no answer in time')), CONNECT_MS);
      const fail = (error: Error) => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      socket.once('error', fail);
      socket.once('secureConnect', () => {
        if (publicKeyOf(socket.getPeerX509Certificate()) !== publicKey) {
          fail(new Error('another node answers there'));
          return;
        }
        clearTimeout(timer);
        socket.off('error', fail);
        resolve(socket);
      });
    });
  }

  #wire(socket: TLSSocket, to: number, closed: (reason: string) => void): Wire {
    let open = true;
    const end = (reason: string) => {
      if (!open) return;
      open = false;
      socket.destroy();
      closed(reason);
    };
    socket.once('close', () => end(`the connection to stage ${to} was closed`));
    this.#read(socket, to);
    return {
      transport: 'direct',
      send: (bytes) => {
        if (open && !write(socket, bytes)) setImmediate(end, `stage ${to} does not keep up`);
      },
      close: () => {
        open = false;
        socket.destroy();
      },
    };
  }

  /** Frames of a socket whose other end is known. */
  #read(socket: TLSSocket, from: number): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
    const frames = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const bytes of frames.push(chunk)) {
          this.#handler({ bytes, from, reply: (answer) => void write(socket, answer) });
        }
      } catch (error) {
        this.#options.notice(`stage ${from}: ${(error as Error).message}`);
        socket.destroy();
      }
    });
  }

  async #listen({ host, port }: { host: string; port: number }): Promise<void> {
    const { stages } = this.#member.assignment;
    const before = (this.#member.index + stages.length - 1) % stages.length;
    const server = createServer(
      {
        ...this.#identity,
        minVersion: 'TLSv1.3',
        requestCert: true,
        rejectUnauthorized: false,
        handshakeTimeout: 2 * CONNECT_MS,
        // A resumed session would not show its certificate again.
        secureOptions: constants.SSL_OP_NO_TICKET,
      },
      (socket) => {
        const key = publicKeyOf(socket.getPeerX509Certificate());
        if (key !== null && key === stages[before]?.publicKey) this.#read(socket, before);
        else {
          this.#options.notice('a stranger wanted to send frames, refused');
          socket.on('error', () => undefined);
          socket.destroy();
        }
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    server.on('error', (error) => this.#options.notice(error.message));
    this.#server = server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
    await this.#redis[Symbol.asyncDispose]();
  }
}

/** False when more waits than may. */
function write(socket: TLSSocket, bytes: Uint8Array): boolean {
  if (socket.destroyed || socket.writableLength > MAX_WAITING_BYTES) return false;
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32LE(bytes.length);
  socket.cork();
  socket.write(length);
  socket.write(bytes);
  socket.uncork();
  return true;
}

/** Cuts a stream of bytes into frames: 4 bytes of length, little endian, before each. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;

  /** @throws RangeError for a length that no frame has */
  *push(chunk: Buffer): Generator<Uint8Array> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#size >= LENGTH_BYTES) {
      const head = this.#chunks[0]!;
      if (head.length < LENGTH_BYTES) this.#join();
      const length = this.#chunks[0]!.readUInt32LE(0);
      if (length > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${length} bytes`);
      if (this.#size < LENGTH_BYTES + length) return;
      this.#join();
      const all = this.#chunks[0]!;
      const end = LENGTH_BYTES + length;
      yield all.subarray(LENGTH_BYTES, end);
      this.#chunks = end < all.length ? [all.subarray(end)] : [];
      this.#size -= end;
    }
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
