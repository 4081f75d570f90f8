/**
 * Whether an opened block is the next of its chain. Stateless, for the verifier, which holds whole
 * chains, and for a database transaction, which holds one row. Order of checks: position, link, log,
 * time, anchor, author, change of authorities.
 */
import type { Authorities } from './authority.ts';
import type { OpenedBlock } from './block.ts';
import { ChainError } from './errors.ts';
import { equalBytes, toHex } from './hex.ts';
import type { Hash, Header } from './types.ts';

export interface Below {
  /** The block below: the head, when the block is new. */
  readonly hash: Hash;
  readonly header: Header;
}

/**
 * @param log root over the hashes of all blocks below, `below` included
 * @param authorities chain A as far as it is known; for a block of chain A, up to `below` at least
 * @throws ChainError
 */
export function checkNext(
  block: OpenedBlock,
  below: Below,
  log: Hash,
  authorities: Authorities,
): void {
  const { header } = block;
  const { chain, height } = header;
  const where = { chain, height, hash: toHex(block.hash) };
  const expected = below.header.height + 1;
  if (chain !== below.header.chain || height < expected) {
    throw new RangeError(`block ${height} of ${chain} is not above ${below.header.height}`);
  }
  if (height > expected) throw new ChainError('HEIGHT_GAP', { ...where, missing: expected });
  if (!header.prev || !equalBytes(header.prev, below.hash)) {
    const prev = header.prev && toHex(header.prev);
    throw new ChainError('PREV_MISMATCH', { ...where, prev, expected: toHex(below.hash) });
  }
  if (!equalBytes(header.log, log)) {
    const details = { ...where, log: toHex(header.log), expected: toHex(log) };
    throw new ChainError('LOG_MISMATCH', details);
  }
  if (header.time < below.header.time) {
    throw new ChainError('TIME_BACKWARDS', { ...where, time: header.time });
  }
  checkAuthor(block, below, authorities, where);
  if (chain === 'A') authorities.check(block);
}

function checkAuthor(
  { header }: OpenedBlock,
  below: Below,
  authorities: Authorities,
  where: { chain: string; height: number; hash: string },
): void {
  // On chain A the block below is what the author saw.
  const anchor = header.anchor ?? below.hash;
  const seen = authorities.heightOf(anchor);
  if (seen === undefined) {
    throw new ChainError('ANCHOR_UNKNOWN', { ...where, anchor: toHex(anchor) });
  }
  if (below.header.anchor) {
    const least = authorities.heightOf(below.header.anchor);
    if (least === undefined || seen < least) {
      throw new ChainError('ANCHOR_BACKWARDS', { ...where, anchorHeight: seen, least });
    }
  }
  if (!authorities.allows(header.author, anchor)) {
    const details = { ...where, author: toHex(header.author), anchorHeight: seen };
    throw new ChainError('AUTHOR_UNLISTED', details);
  }
}

/**
 * For the writer of a chain: `checkNext`, and the anchor is the present head of chain A. This is what
 * stops a removed key from backdating: no block with an anchor from before its removal is appended
 * any more, and readers hold that anchors never go backwards.
 * @throws ChainError ANCHOR_STALE, and as checkNext
 */
export function checkAppend(
  block: OpenedBlock,
  below: Below,
  log: Hash,
  authorities: Authorities,
): void {
  checkNext(block, below, log, authorities);
  const { chain, height, anchor } = block.header;
  const head = authorities.head;
  if (anchor && head && !equalBytes(anchor, head.hash)) {
    const details = { chain, height, anchor: toHex(anchor), head: toHex(head.hash) };
    throw new ChainError('ANCHOR_STALE', details);
  }
}
