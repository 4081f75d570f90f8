import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';

/** CHROMIUM_PATH, or the first Chromium on the PATH. */
function chromiumPath(): string | undefined {
  if (process.env.CHROMIUM_PATH) return process.env.CHROMIUM_PATH;
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

// The same files as in Node, in a real browser: `test/*.test.ts` import nothing of Node's.
export default defineConfig({
  // Named, so that vite does not find them one by one and reload a page in the middle of a test.
  optimizeDeps: {
    include: [
      '@ipld/dag-cbor',
      '@noble/curves/ed25519.js',
      '@noble/hashes/sha2.js',
      'fast-check',
      'zod',
    ],
  },
  test: {
    name: 'chain-browser',
    testTimeout: 20_000,
    include: ['test/*.test.ts'],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      api: { host: '127.0.0.1', port: 0 },
      provider: playwright({
        launchOptions: {
          executablePath: chromiumPath(),
          args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
        },
      }),
      instances: [{ browser: 'chromium' }],
    },
  },
});
