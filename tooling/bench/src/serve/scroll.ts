/**
 * Frames of the chat page while somebody scrolls through a conversation of 500 messages: from the last one to
 * the first, which makes each message for the first time, and back. Headless Chromium without a GPU, so the
 * same cores also paint.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createDb } from '@blyan/db/client';
import { findChromium } from '@blyan/local/chromium';
import { type CDPSession, chromium, type Page } from 'playwright-core';
import { quantile, type Result } from '../result.ts';
import { EMBEDDED } from './models.ts';
import type { Measured } from './product.ts';

const MESSAGES = 500;
/** Of a wheel that is turned fast: a screen of 800 pixels ten times a second. */
const PIXELS_PER_SECOND = 8000;
const IDLE_MS = 2000;
const SETTLE_MS = 1500;
const P95_MS = 20;

export async function benchScroll(
  { product, databaseUrl }: Measured,
  emit: (result: Result) => void,
  log: (line: string) => void,
): Promise<void> {
  const { url } = product;
  log(`making a conversation of ${MESSAGES} messages`);
  const { id, cookie } = await longConversation(url, databaseUrl);
  const browser = await chromium.launch({
    executablePath: findChromium(process.env, log),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await context.addCookies([{ name: 'blyan-session', value: cookie, url }]);
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    const start = performance.now();
    await page.goto(`${url}/c/${id}`);
    await page.locator('.answer').last().waitFor();
    const opened = performance.now() - start;
    await page.waitForTimeout(SETTLE_MS);
    log('scrolling');
    const idle = await framesDuring(page, () => page.waitForTimeout(IDLE_MS));
    const up = await framesDuring(page, () => scroll(page, cdp, 'up'));
    const down = await framesDuring(page, () => scroll(page, cdp, 'down'));
    const add = (name: string, value: number, unit: string, bar?: Result['bar']) =>
      emit({ name: `scroll-${MESSAGES}.${name}`, value, unit, ...(bar && { bar }) });
    add('open', opened, 'ms');
    add('idle.p95', quantile(idle, 0.95), 'ms');
    for (const [name, frames] of Object.entries({ up, down })) {
      add(`${name}.frames`, frames.length, 'frames');
      add(`${name}.p50`, quantile(frames, 0.5), 'ms');
      add(`${name}.p95`, quantile(frames, 0.95), 'ms', { most: P95_MS });
      add(`${name}.p99`, quantile(frames, 0.99), 'ms');
      add(`${name}.longest`, Math.max(...frames), 'ms');
    }
  } finally {
    await browser.close();
  }
}

/** Milliseconds between frames. */
async function framesDuring(page: Page, work: () => Promise<void>): Promise<number[]> {
  await page.evaluate(() => {
    const times: number[] = [];
    const watch = (time: number) => {
      times.push(time);
      if (times.length > 0) frame = requestAnimationFrame(watch);
    };
    let frame = requestAnimationFrame(watch);
    Object.assign(window, {
      stopFrames: () => {
        cancelAnimationFrame(frame);
        return times;
      },
    });
  });
  await work();
  const times = await page.evaluate(() =>
    (window as unknown as { stopFrames(): number[] }).stopFrames(),
  );
  return times.slice(1).map((time, i) => time - times[i]!);
}

/** By the wheel to the other end; messages that are made on the way change how far that is. */
async function scroll(page: Page, cdp: CDPSession, to: 'up' | 'down'): Promise<void> {
  const scroller = page.getByRole('region', { name: 'Conversation' });
  const left = () =>
    scroller.evaluate(
      (el, up) => (up ? el.scrollTop : el.scrollHeight - el.clientHeight - el.scrollTop),
      to === 'up',
    );
  for (let distance = await left(); distance > 1; distance = await left()) {
    await cdp.send('Input.synthesizeScrollGesture', {
      x: 640,
      y: 400,
      yDistance: to === 'up' ? distance : -distance,
      speed: PIXELS_PER_SECOND,
      gestureSourceType: 'mouse',
      preventFling: true,
    });
  }
}

/** Written into the tables: rows like those of one real answer, with what answers have in them. */
async function longConversation(
  url: string,
  databaseUrl: string,
): Promise<{ id: string; cookie: string }> {
  const cookie = randomBytes(32).toString('base64url');
  const id = randomBytes(18).toString('base64url');
  const response = await fetch(`${url}/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: EMBEDDED, prompt: 'Hello', max_tokens: 16 }),
  });
  if (!response.ok) throw new Error(`a question: ${response.status} ${await response.text()}`);
  const answered = (await response.json()) as { id: string };
  const db = createDb(databaseUrl);
  try {
    const row = await db.request.findUniqueOrThrow({ where: { id: answered.id } });
    const name = (i: number) => `${id}-${i}`;
    const numbers = Array.from({ length: MESSAGES }, (_, i) => i);
    const time = Date.now() - MESSAGES * 1000;
    await db.request.createMany({
      data: numbers
        .filter((i) => i % 2 === 1)
        .map((i) => ({
          ...row,
          id: name(i),
          text: answerText(i),
          params: row.params ?? {},
          receipt: row.receipt ?? {},
        })),
    });
    await db.conversation.create({
      data: {
        id,
        owner: createHash('sha256').update(cookie).digest(),
        title: 'A long conversation',
        settings: {},
        head: name(MESSAGES - 1),
      },
    });
    await db.message.createMany({
      data: numbers.map((i) => ({
        id: name(i),
        conversationId: id,
        parentId: i === 0 ? null : name(i - 1),
        role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
        text: i % 2 === 0 ? `Question ${i / 2 + 1}: how is this done, and why?` : '',
        requestId: i % 2 === 0 ? null : name(i),
        createdAt: new Date(time + i * 1000),
      })),
    });
  } finally {
    await db.$disconnect();
  }
  return { id, cookie };
}

const LANGUAGES = ['js', 'python', 'rust', 'sql', 'bash'];

/** Prose, code, a table, a list and a formula, each in its turn, so that no two neighbours are alike. */
function answerText(i: number): string {
  const turn = (i - 1) / 2;
  const prose =
    'A **layer block** names its tensors, and each tensor is cut into chunks of *one mebibyte* whose hashes form a tree. ';
  const parts = [
    `Answer ${turn + 1}. ${prose.repeat(1 + (turn % 4))}`,
    turn % 2 === 0 &&
      `\`\`\`${LANGUAGES[turn % LANGUAGES.length]}\n${Array.from({ length: 8 + (turn % 20) }, (_, line) => `value_${line} = step(${line}, "text of line ${line}") + ${line * turn}`).join('\n')}\n\`\`\``,
    turn % 3 === 0 &&
      `| block | height | bytes |\n| --- | ---: | ---: |\n${Array.from({ length: 4 + (turn % 6) }, (_, line) => `| ${line} | ${line * 7} | ${line * 4096} |`).join('\n')}`,
    turn % 4 === 1 && '- one\n- two with `code`\n- three\n  - and below it, four',
    turn % 5 === 2 &&
      'The sum is $\\sum_{i=1}^{n} x_i^2$, and then\n\n$$\\int_0^1 f(x)\\,dx = F(1) - F(0)$$',
  ];
  return parts.filter(Boolean).join('\n\n');
}
