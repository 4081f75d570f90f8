/**
 * A client of `/chat/stream` that does not give up: it chooses the answer's id, and after each broken
 * connection goes on behind the last event that it has. What it checks is what a reader would see:
 * no gap, no repeat, one end.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Followed {
  id: string;
  text: string;
  tokens: number;
  /** `done stop`, `error no_worker` and so on; each one that came. */
  endings: string[];
  /** Whether positions came without a gap or a repeat. */
  inOrder: boolean;
  /** Attempts that were begun behind the first. */
  retries: number;
  connections: number;
  /** Monotonic ms of each event with tokens. */
  times: number[];
}

export interface FollowOptions {
  /** Called at each event with tokens. */
  onTokens?: (soFar: Followed) => void;
  /** Until then it asks again. */
  patienceMs?: number;
}

const PATIENCE_MS = 120_000;
/** Pause before it connects again. */
const PAUSE_MS = 150;
/** A connection that says nothing at all for so long is broken: the server's own deadline is 300 s. */
const SILENCE_MS = 60_000;

/** Asks, and reads to the end. Throws when there is none in time. */
export async function followChat(
  url: string,
  body: object,
  { onTokens = () => undefined, patienceMs = PATIENCE_MS }: FollowOptions = {},
): Promise<Followed> {
  const id = `follow-${randomUUID()}`;
  const followed: Followed = {
    id,
    text: '',
    tokens: 0,
    endings: [],
    inOrder: true,
    retries: 0,
    connections: 0,
    times: [],
  };
  const until = performance.now() + patienceMs;
  let last: string | null = null;
  let problem = '';
  while (performance.now() < until) {
    followed.connections++;
    try {
      // The same question under the same id is the same answer: harmless however often.
      const response: Response = await fetch(`${url}/chat/stream`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(last === null ? {} : { 'last-event-id': last }),
        },
        body: JSON.stringify({ ...body, id }),
        signal: AbortSignal.timeout(Math.min(SILENCE_MS, until - performance.now())),
      });
      if (!response.ok || !response.body) {
        problem = `${response.status} ${(await response.text()).slice(0, 300)}`;
      } else {
        const events: AsyncGenerator<ServerEvent> = eventsOf(response.body);
        for await (const event of events) {
          if (event.id !== '') last = event.id;
          take(followed, event);
          if (event.event === 'token') onTokens(followed);
        }
        if (followed.endings.length > 0) return followed;
        problem = 'the stream broke off';
      }
    } catch (error) {
      problem = (error as Error).message;
    }
    if (followed.endings.length > 0) return followed;
    await sleep(PAUSE_MS);
  }
  throw new Error(`no end of answer ${id} in ${patienceMs} ms: ${problem}`);
}

interface ServerEvent {
  event: string;
  data: string;
  id: string;
}

function take(followed: Followed, { event, data: raw }: ServerEvent): void {
  const data = JSON.parse(raw) as Record<string, unknown>;
  if (event === 'phase' && data.phase === 'retry') followed.retries++;
  if (event === 'error') {
    followed.endings.push(`error ${(data.error as { code?: string } | undefined)?.code}`);
  }
  if (event === 'done') {
    followed.endings.push(`done ${data.finish_reason}`);
    followed.text += data.text;
  }
  if (event !== 'token') return;
  if (data.replace === true) {
    // Only the row is left: the whole text, in one piece.
    followed.text = String(data.text);
    followed.tokens = Number(data.count);
    return;
  }
  if (data.position !== followed.tokens) followed.inOrder = false;
  followed.tokens += Number(data.count);
  followed.text += data.text;
  followed.times.push(performance.now());
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const block = rest.slice(0, end);
      rest = rest.slice(end + 2);
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1] ?? '';
      const event = { event: field('event'), data: field('data'), id: field('id') };
      if (event.event !== '' && event.data !== '') yield event;
    }
  }
}
