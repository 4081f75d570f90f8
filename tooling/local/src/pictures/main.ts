/**
 * `npm run pictures [-- NAME...] [--url URL] [--out DIR]`: the pictures of README.md, in Chromium. Without
 * `--url` of a running product it starts one on an empty data directory, so that every picture shows what
 * a reader sees after the first `npm start`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { findChromium } from '../chromium.ts';
import { ROOT, startProduct } from '../product.ts';
import { CHAT } from './chat.ts';
import { EXPLORER } from './explorer.ts';
import type { Shot, Site } from './shot.ts';

const SHOTS: readonly Shot[] = [...CHAT, ...EXPLORER];

const SIZES = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
};
/** A README loads all of them. */
const MAX_BYTES = 200_000;
const QUALITY = 85;
const TIMEOUT_MS = 30_000;

function siteOf(url: string): Site {
  const fetchJson = async (at: string, init: RequestInit = {}) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url + at, { ...init, signal });
    if (!response.ok) throw new Error(`${at}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  return {
    url,
    json: fetchJson,
    async ask(prompt) {
      const answer = await fetchJson('/chat', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt, max_tokens: 60, seed: 1 }),
      });
      return answer.provenance.receipt;
    },
  };
}

async function take(shot: Shot, site: Site, browser: Browser): Promise<Buffer> {
  const context = await browser.newContext({
    viewport: SIZES[shot.size],
    colorScheme: shot.theme,
    deviceScaleFactor: 2,
    reducedMotion: 'reduce',
  });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await shot.show(page, site);
    await page.evaluate('document.fonts.ready');
    // Not playwright's own, which knows no WebP.
    const devtools = await context.newCDPSession(page);
    const { data } = await devtools.send('Page.captureScreenshot', {
      format: 'webp',
      quality: QUALITY,
    });
    return Buffer.from(data, 'base64');
  } finally {
    await context.close();
  }
}

async function takeAll(shots: readonly Shot[], url: string, out: string): Promise<void> {
  const browser = await chromium.launch({
    executablePath: findChromium(process.env, console.error),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  try {
    for (const shot of shots) {
      const picture = await take(shot, siteOf(url), browser);
      if (picture.length > MAX_BYTES) {
        throw new Error(`${shot.name} has ${picture.length} bytes, more than ${MAX_BYTES}`);
      }
      const file = path.join(out, `${shot.name}.webp`);
      await writeFile(file, picture);
      console.log(`${file}: ${Math.round(picture.length / 1000)} kB`);
    }
  } finally {
    await browser.close();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { url: { type: 'string' }, out: { type: 'string' } },
});
const unknown = positionals.filter((name) => !SHOTS.some((shot) => shot.name === name));
if (unknown.length > 0) {
  console.error(`There is no picture ${unknown}; there are ${SHOTS.map(({ name }) => name)}.`);
  process.exitCode = 2;
} else {
  const shots = SHOTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const out = values.out ?? path.join(ROOT, 'docs/images');
  if (values.url) await takeAll(shots, values.url.replace(/\/$/, ''), out);
  else {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'blyan-pictures-'));
    try {
      await using product = await startProduct({ dataDir });
      await takeAll(shots, product.url, out);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }
}
