/** Where blobs come from. What a source says is never believed: the caller checks every byte. */
export interface BlobSource {
  /** For messages, e.g. the base URL. */
  readonly name: string;
  /** The leaf hashes of a blob: at most `maxBytes`, unchecked. */
  leaves(root: string, options: { maxBytes: number; signal?: AbortSignal }): Promise<Uint8Array>;
  /**
   * Bytes `start` (inclusive) to `end` (exclusive) as they arrive, unchecked. Throws StoreError
   * BLOB_MISSING, SOURCE_FAILED or SOURCE_STALLED.
   */
  read(
    root: string,
    range: { start: number; end: number; signal?: AbortSignal },
  ): AsyncIterable<Uint8Array>;
}
