'use client';

import type { Span } from '@blyan/chain/codec-spans';
import { memo } from 'react';

interface HexRowsProps {
  bytes: Uint8Array;
  spans: readonly Span[];
  from: number;
  to: number;
  chosen: Span;
  onPoint(at: number): void;
}

const WIDTH = 16;

/** Lines of 16 bytes: offset, hex, and what of it is text. */
export function HexRows({ bytes, spans, from, to, chosen, onPoint }: HexRowsProps) {
  const lines: number[] = [];
  for (let at = from; at < to; at += WIDTH) lines.push(at);
  return (
    <div className="w-max">
      {lines.map((at) => {
        const touched = chosen.start < at + WIDTH && chosen.end > at;
        return (
          <HexLine
            key={at}
            at={at}
            bytes={bytes}
            spans={spans}
            // Other lines stay as they are when the choice moves.
            start={touched ? chosen.start : -1}
            end={touched ? chosen.end : -1}
            onPoint={onPoint}
          />
        );
      })}
    </div>
  );
}

interface HexLineProps {
  at: number;
  bytes: Uint8Array;
  spans: readonly Span[];
  start: number;
  end: number;
  onPoint(at: number): void;
}

const HexLine = memo(
  function HexLine({ at, bytes, spans, start, end, onPoint }: HexLineProps) {
    const line = bytes.subarray(at, at + WIDTH);
    const mark = (i: number) =>
      at + i >= start && at + i < end ? 'bg-accent text-accent-ink' : '';
    return (
      <div className="flex whitespace-pre">
        <span className="w-16 shrink-0 text-faint select-none">
          {at.toString(16).padStart(6, '0')}
        </span>
        <span>
          {Array.from(line, (byte, i) => (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: bytes have no identity but their place
              key={i}
              className={`inline-block px-1 ${mark(i) || toneOf(spans, at + i)}`}
              onPointerEnter={() => onPoint(at + i)}
            >
              {byte.toString(16).padStart(2, '0')}
            </span>
          ))}
        </span>
        <span aria-hidden className="ml-4 hidden sm:inline">
          {Array.from(line, (byte, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: as above
            <span key={i} className={mark(i) || 'text-soft'}>
              {byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·'}
            </span>
          ))}
        </span>
      </div>
    );
  },
  (a, b) => a.at === b.at && a.bytes === b.bytes && a.start === b.start && a.end === b.end,
);

/** Names and heads are paler than values. */
function toneOf(spans: readonly Span[], at: number): string {
  let [low, high] = [0, spans.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (spans[middle]!.start <= at) low = middle;
    else high = middle - 1;
  }
  const kind = spans[low]!.kind;
  return kind === 'value' ? '' : kind === 'key' ? 'text-soft' : 'text-faint';
}
