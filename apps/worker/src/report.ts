/** How a running worker is: told on a socket that only its own account can open. */
import { chmod, rm } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import path from 'node:path';
import { NodeStatus } from '@blyan/protocol/node';
import { z } from 'zod';

/** The longest path of a socket that Linux and macOS take, with the 0 at its end. */
const MAX_SOCKET_PATH = 103;
const REPLY_TIMEOUT_MS = 3000;

export const WorkerReport = z.object({
  nodeId: z.string(),
  pid: z.number().int(),
  version: z.string(),
  main: z.string(),
  genesis: z.string(),
  /** Unix ms. */
  startedAt: z.number().int(),
  /** Unix ms of the last registration or heartbeat that got through. */
  renewedAt: z.number().int(),
  /** Our clock less the main node's; null before the first heartbeat. */
  clockAheadMs: z.number().nullable(),
  /** Whether the coordinator's Redis is connected. */
  connected: z.boolean(),
  /** Answers that run. */
  running: z.number().int(),
  /** Since the start. */
  tokens: z.number().int(),
  done: z.number().int(),
  failed: z.number().int(),
  blobBytes: z.number().int(),
  /** Most that blobs may take; null is what the disk has. */
  blobCapBytes: z.number().int().nullable(),
  node: NodeStatus.nullable(),
});
export type WorkerReport = z.infer<typeof WorkerReport>;

const socketOf = (workerDir: string): string => path.join(workerDir, 'status.sock');

/** Serves reports until disposed. Null where the path is too long for a socket. */
export async function serveReports(
  workerDir: string,
  report: () => Promise<WorkerReport>,
): Promise<AsyncDisposable | null> {
  const socket = socketOf(workerDir);
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) return null;
  // One that a killed worker left behind; two workers never share a directory.
  await rm(socket, { force: true });
  const server = createServer((_request, response) => {
    report().then(
      (found) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(found));
      },
      (error: Error) => {
        response.statusCode = 500;
        response.end(error.message);
      },
    );
  });
  await listening(server, () => server.listen(socket));
  await chmod(socket, 0o600);
  return { [Symbol.asyncDispose]: () => closed(server) };
}

/** The report of the worker of a directory; null when none runs there. */
export async function readReport(workerDir: string): Promise<WorkerReport | null> {
  const text = await new Promise<string | null>((resolve) => {
    const asked = request(
      { socketPath: socketOf(workerDir), timeout: REPLY_TIMEOUT_MS },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          body += part;
        });
        response.on('end', () => resolve(response.statusCode === 200 ? body : null));
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(null));
    asked.end();
  });
  return text === null ? null : (WorkerReport.safeParse(JSON.parse(text)).data ?? null);
}

export function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
}

export function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
