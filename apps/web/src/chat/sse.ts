/** Reads server-sent events from a fetch response (WHATWG HTML 9.2.6), for POST and own headers. */

export interface ServerEvent {
  event: string;
  data: string;
  /** Last id seen in the stream, as `Last-Event-ID` wants it. */
  id: string | null;
}

/** `heard` is called for whatever arrives, comments that keep the line open among it. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  heard: () => void,
): AsyncGenerator<ServerEvent> {
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream() as never as TransformStream).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      yield* parser.push(value as string);
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

export class EventParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id: string | null = null;

  *push(text: string): Generator<ServerEvent> {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0)
          yield { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
        this.#event = '';
        this.#data = [];
      } else this.#field(line);
    }
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id') this.#id = value;
  }
}
