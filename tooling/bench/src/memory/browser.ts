/** A page in Chromium, with the memory of its process and of its JavaScript, workers included. */
import { findChromium } from '@blyan/local/chromium';
import { type CDPSession, chromium, type Page } from 'playwright-core';
import { residentBytes } from './sampler.ts';

export interface MeasuredPage extends AsyncDisposable {
  page: Page;
  /** Resident bytes of the processes that render pages. */
  resident(): Promise<number>;
  /** Bytes of JavaScript heaps and array buffers, of the page and of its workers. */
  javascript(): Promise<number>;
  collectGarbage(): Promise<void>;
}

interface HeapUsage {
  usedSize: number;
  backingStorageSize: number;
}

export async function openMeasuredPage(): Promise<MeasuredPage> {
  const browser = await chromium.launch({
    executablePath: findChromium(process.env, console.error),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  const page = await browser.newPage();
  const system = await browser.newBrowserCDPSession();
  const session = await page.context().newCDPSession(page);
  const workers = await WorkerSessions.of(session);
  const all = async <T>(method: 'Runtime.getHeapUsage' | 'HeapProfiler.collectGarbage') => [
    (await session.send(method)) as T,
    ...(await workers.send<T>(method)),
  ];
  return {
    page,
    async resident() {
      const { processInfo } = await system.send('SystemInfo.getProcessInfo');
      const renderers = processInfo.filter(({ type }) => type === 'renderer');
      const sizes = await Promise.all(renderers.map(({ id }) => residentBytes(id)));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    async javascript() {
      const heaps = await all<HeapUsage>('Runtime.getHeapUsage');
      return heaps.reduce((sum, heap) => sum + heap.usedSize + heap.backingStorageSize, 0);
    },
    async collectGarbage() {
      await all('HeapProfiler.collectGarbage');
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** DevTools' connections to the workers of a page, over the page's own one. */
class WorkerSessions {
  readonly #session: CDPSession;
  readonly #open = new Set<string>();
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #last = 0;

  private constructor(session: CDPSession) {
    this.#session = session;
  }

  static async of(session: CDPSession): Promise<WorkerSessions> {
    const own = new WorkerSessions(session);
    session.on('Target.attachedToTarget', ({ sessionId }) => void own.#open.add(sessionId));
    session.on('Target.detachedFromTarget', ({ sessionId }) => {
      own.#open.delete(sessionId);
      // A worker that has ended answers nothing.
      for (const settle of own.#waiting.values()) settle(null);
    });
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result } = JSON.parse(message);
      own.#waiting.get(id)?.(result ?? null);
    });
    const flat = { autoAttach: true, waitForDebuggerOnStart: false, flatten: false };
    await session.send('Target.setAutoAttach', flat);
    return own;
  }

  /** What each of them answers. */
  async send<T>(method: string): Promise<T[]> {
    const answers = await Promise.all(
      [...this.#open].map(async (sessionId) => {
        const id = ++this.#last;
        const answer = new Promise<unknown>((resolve) => this.#waiting.set(id, resolve));
        const message = JSON.stringify({ id, method });
        try {
          await this.#session.send('Target.sendMessageToTarget', { sessionId, message });
          return (await answer) as T | null;
        } catch {
          return null;
        } finally {
          this.#waiting.delete(id);
        }
      }),
    );
    return answers.filter((answer) => answer !== null);
  }
}
