/** The worker's side of the engine process: fork it, talk to it, notice its end. */
import { type ChildProcess, fork } from 'node:child_process';
import type { NodeJob } from '@blyan/protocol/node';
import { EngineError } from './errors.ts';
import type { Assigned, EngineCommand, EngineMessage, LoadCommand } from './messages.ts';

/** Of JavaScript it has little, all of it small: the nursery of 16 MB would only fill with garbage. */
const FLAGS = ['--max-semi-space-size=4'];
/** After a polite end the process gets this long; a run in progress cannot be interrupted. */
const KILL_MS = 5000;

export interface EngineClientOptions {
  /** Path of the engine's entry file. */
  entry: string;
  /** Its environment; default: ours. */
  env?: NodeJS.ProcessEnv;
}

export interface EngineHandlers {
  onMessage(message: EngineMessage): void;
  /** Once, when the process is gone. `expected`: by `close`. */
  onExit(exit: { code: number | null; signal: string | null; expected: boolean }): void;
}

export class EngineClient {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #drained: (() => void)[] = [];
  #closing = false;
  #gone = false;

  constructor({ entry, env }: EngineClientOptions, handlers: EngineHandlers) {
    const child = fork(entry, [], {
      serialization: 'advanced',
      // Ours are not for it.
      execArgv: FLAGS,
      ...(env && { env }),
    });
    this.#child = child;
    child.on('message', (message) => {
      const parsed = message as EngineMessage;
      if (parsed.type === 'drained') for (const done of this.#drained.splice(0)) done();
      handlers.onMessage(parsed);
    });
    this.#exited = new Promise((resolve) => {
      const ended = (code: number | null, signal: string | null) => {
        if (this.#gone) return;
        this.#gone = true;
        for (const done of this.#drained.splice(0)) done();
        handlers.onExit({ code, signal, expected: this.#closing });
        resolve();
      };
      child.once('exit', ended);
      // A process that could not be started has no exit.
      child.once('error', () => {
        if (child.pid === undefined) ended(null, null);
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  load(command: Omit<LoadCommand, 'type'>): void {
    this.#send({ type: 'load', ...command });
  }
  assign(assigned: Assigned): void {
    this.#send({ type: 'assign', assigned });
  }
  submit(job: NodeJob): void {
    this.#send({ type: 'submit', job });
  }
  cancel(requestId: string, attempt: number): void {
    this.#send({ type: 'cancel', requestId, attempt });
  }

  /** Resolves when all running jobs have ended, or the process has. */
  async drain(): Promise<void> {
    if (this.#gone) return;
    const done = new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#send({ type: 'drain' });
    await done;
  }

  /** Ends the process, running jobs included. */
  async close(): Promise<void> {
    if (this.#gone) return;
    this.#closing = true;
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), KILL_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @throws EngineError ENGINE_EXITED */
  #send(command: EngineCommand): void {
    if (this.#gone || !this.#child.connected) {
      throw new EngineError('ENGINE_EXITED', { pid: this.pid }, 'The engine process has ended.');
    }
    this.#child.send(command, (error) => {
      // The exit handler tells; a write to a closing channel is no news of its own.
      if (error && !this.#gone && this.#child.connected) this.#child.kill('SIGKILL');
    });
  }
}
