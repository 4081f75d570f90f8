/** What the stages of a pipeline need of a network; made by redis-net.ts and direct-net.ts. */

/** One way to another stage, for hidden states. */
export interface Wire {
  readonly transport: 'redis' | 'direct';
  /** Keeps the order. What cannot be sent closes the wire. */
  send(bytes: Uint8Array): void;
  close(): void;
}

export interface Arrival {
  /** One frame. */
  bytes: Uint8Array;
  /** Number of the stage that sent it, where the transport proves it; else what the frame says counts. */
  from: number | null;
  /** Back over the same way. */
  reply(bytes: Uint8Array): void;
}

export interface StageNet extends AsyncDisposable {
  /** One handler, before anything is sent. */
  listen(handler: (arrival: Arrival) => void): void;
  /** A message of the handshake or the watch over it, to any stage; may get lost. */
  post(to: number, bytes: Uint8Array): void;
  /** @param closed called once when the wire can carry nothing more, unless by `close` */
  connect(to: number, closed: (reason: string) => void): Promise<Wire>;
}
