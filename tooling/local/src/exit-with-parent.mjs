/**
 * Preloaded into the web app (`node --import`), whose entry file is Next.js's: the other parts do it
 * themselves. The channel to the supervisor closes when that ends, however it did, `kill -9` included:
 * then this process stops as if it had been told to.
 */
const GRACE_MS = 5_000;

if (process.channel) {
  process.channel.unref();
  process.on('disconnect', () => {
    setTimeout(() => process.exit(1), GRACE_MS).unref();
    process.kill(process.pid, 'SIGTERM');
  });
}
