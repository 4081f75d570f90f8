/** What a repository holds at a revision, and which of its files make up a checkpoint. */
import { z } from 'zod';
import { ModelError } from '../errors.ts';
import { MAX_MODEL_FILE_BYTES, MODEL_FILES } from '../files.ts';
import { parseJson } from '../json.ts';
import { type HubClient, statusError } from './client.ts';

/** Metadata of the largest repositories (thousands of files) has about 2 MB. */
const MAX_LISTING_BYTES = 32 * 1024 * 1024;
export const SINGLE = 'model.safetensors';
export const INDEX = 'model.safetensors.index.json';

const Listing = z.object({
  sha: z.string().regex(/^[0-9a-f]{40,64}$/),
  siblings: z
    .array(
      z.object({
        rfilename: z.string().max(1024),
        size: z.number().int().min(0).nullish(),
        blobId: z.string().nullish(),
        lfs: z
          .object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.number().int().min(0) })
          .nullish(),
      }),
    )
    .max(100_000),
});

export interface HubFile {
  path: string;
  byteLength: number;
  /** What the hub says its bytes hash to: big files by SHA-256, small ones as a git blob. */
  hash: { type: 'sha256' | 'git'; hex: string };
}

export interface HubListing {
  /** The commit that the revision points to now. */
  commit: string;
  files: Map<string, HubFile>;
}

export async function fetchListing(
  client: HubClient,
  id: string,
  revision: string,
  context: { hasToken: boolean; signal: AbortSignal | undefined },
): Promise<HubListing> {
  const what = `model ${id} at revision ${revision}`;
  const url = client.url(`api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`);
  const bytes = await client.retry(async () => {
    const { response, read, cancel } = await client.get(url, { signal: context.signal });
    if (response.status !== 200) {
      const error = await statusError(response, {
        id,
        what,
        endpoint: client.endpoint,
        ...context,
      });
      cancel();
      throw error;
    }
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of read()) {
      length += part.byteLength;
      if (length > MAX_LISTING_BYTES) {
        throw new ModelError('HUB_RESPONSE_INVALID', { id }, `The file list of ${id} is too long.`);
      }
      parts.push(part);
    }
    return Buffer.concat(parts);
  }, context);
  const result = Listing.safeParse(
    parseJson(bytes, { path: `${url.host}: file list`, maxDepth: 64 }),
  );
  if (!result.success) {
    const issue = result.error.issues[0];
    const reason = `${issue?.path.join('.')}: ${issue?.message}`;
    throw new ModelError(
      'HUB_RESPONSE_INVALID',
      { id, reason },
      `${url.host} answered with something that is not a file list: ${reason}.`,
    );
  }
  const files = new Map<string, HubFile>();
  for (const { rfilename: path, size, blobId, lfs } of result.data.siblings) {
    if (lfs)
      files.set(path, { path, byteLength: lfs.size, hash: { type: 'sha256', hex: lfs.sha256 } });
    else if (typeof size === 'number' && blobId && /^[0-9a-f]{40}$/.test(blobId)) {
      files.set(path, { path, byteLength: size, hash: { type: 'git', hex: blobId } });
    }
  }
  return { commit: result.data.sha, files };
}

/** Configuration, tokenizer, template and the index: what says whether the weights are worth fetching. */
export function smallFiles(id: string, listing: HubListing): HubFile[] {
  const { files } = listing;
  const wanted: string[] = [...MODEL_FILES];
  // As the reference implementation does: one whole file goes before an index.
  if (!files.has(SINGLE)) wanted.push(INDEX);
  if (!files.has(SINGLE) && !files.has(INDEX)) {
    throw new ModelError(
      'FILE_MISSING',
      { id, path: SINGLE },
      `${id} has neither ${SINGLE} nor ${INDEX}. Only safetensors checkpoints can be imported.`,
    );
  }
  const small = wanted.flatMap((path) => files.get(path) ?? []);
  const large = small.find(({ byteLength }) => byteLength > MAX_MODEL_FILE_BYTES);
  if (!large) return small;
  const { path, byteLength } = large;
  throw new ModelError(
    'FILE_TOO_LARGE',
    { id, path, byteLength, max: MAX_MODEL_FILE_BYTES },
    `${path} of ${id} has ${byteLength} bytes; at most ${MAX_MODEL_FILE_BYTES} are read.`,
  );
}
