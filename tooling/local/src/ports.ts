import { createServer } from 'node:net';

const listens = (port: number, host: string) =>
  new Promise<number | null>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const got = typeof address === 'object' && address ? address.port : null;
      server.close(() => resolve(got));
    });
  });

/** The preferred port if nobody listens there, else one that the system picks. */
export async function freePort(host = '127.0.0.1', preferred = 0): Promise<number> {
  const port = (preferred > 0 ? await listens(preferred, host) : null) ?? (await listens(0, host));
  if (port === null) throw new Error(`no free port on ${host}`);
  return port;
}
