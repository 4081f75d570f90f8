/**
 * Which tensors an interrupted import had finished: one line each, appended when the tensor's blob is
 * durable. A line is a hint, never a proof: the import hashes the source again as it streams, and uses
 * a line only if the source's Merkle root is the one on it and the blob is there. So a torn, lost or
 * stale line costs time, nothing else.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';

const Hex = z.string().regex(/^[0-9a-f]{64}$/);
const Entry = z.strictObject({
  name: z.string(),
  /** Root of the raw source bytes, hex. */
  source: Hex,
  /** What the stored bytes depend on besides the source: type, shape, format, recipe. */
  recipe: z.string(),
  root: Hex,
  byteLength: z.number().int(),
});
export type JournalEntry = z.infer<typeof Entry>;

/** Hex characters of the SHA-256 in front of each line. */
const CHECK = 16;
const check = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, CHECK);

export class Journal implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #entries: Map<string, JournalEntry>;

  private constructor(path: string, file: FileHandle, entries: Map<string, JournalEntry>) {
    this.#path = path;
    this.#file = file;
    this.#entries = entries;
  }

  static async open(path: string): Promise<Journal> {
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const entries = new Map<string, JournalEntry>();
    for (const line of text.split('\n')) {
      const entry = parseLine(line);
      if (entry) entries.set(entry.name, entry);
    }
    const file = await open(path, 'a');
    // Ends a line that a crash tore.
    if (text.length > 0 && !text.endsWith('\n')) await file.write('\n');
    return new Journal(path, file, entries);
  }

  get(name: string): JournalEntry | undefined {
    return this.#entries.get(name);
  }

  async add(entry: JournalEntry): Promise<void> {
    const json = JSON.stringify(entry);
    await this.#file.write(`${check(json)} ${json}\n`);
  }

  /** The import is on chain: nothing to resume. */
  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

function parseLine(line: string): JournalEntry | null {
  const json = line.slice(CHECK + 1);
  if (line.length <= CHECK || check(json) !== line.slice(0, CHECK)) return null;
  const result = Entry.safeParse(JSON.parse(json));
  return result.success ? result.data : null;
}
