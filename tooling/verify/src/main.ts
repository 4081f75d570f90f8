import { verify } from './verify.ts';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.exitCode = await verify(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  signal: stop.signal,
});
