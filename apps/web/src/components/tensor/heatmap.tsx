'use client';

import { Minus, Plus, RotateCcw } from 'lucide-react';
import { useTheme } from 'next-themes';
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import type { Heatmap, View } from '@/tensor/messages';
import { pan, zoom } from './zoom';

interface HeatmapViewProps {
  heatmap: Heatmap;
  /** What the heatmap shows. */
  shown: View;
  /** What was asked for last: moves go on from there while it is being read. */
  view: View;
  whole: View;
  onView(view: View): void;
}

/** The matrix as colours. A click goes nearer, down to single weights; arrows move. */
export function HeatmapView({ heatmap, shown, view, whole, onView }: HeatmapViewProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { resolvedTheme } = useTheme();
  const [cell, setCell] = useState<{ x: number; y: number } | null>(null);
  const scale = scaleOf(heatmap);
  useEffect(() => {
    if (canvas.current) paint(canvas.current, heatmap, scale, resolvedTheme === 'dark');
  }, [heatmap, scale, resolvedTheme]);

  const at = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return {
      x: clamp((event.clientX - box.left) / box.width),
      y: clamp((event.clientY - box.top) / box.height),
    };
  };
  const keys = (event: KeyboardEvent) => {
    const moves: Record<string, View> = {
      '+': zoom(view, whole, 0.5),
      '=': zoom(view, whole, 0.5),
      '-': zoom(view, whole, 2),
      '0': whole,
      ArrowLeft: pan(view, whole, 0, -0.25),
      ArrowRight: pan(view, whole, 0, 0.25),
      ArrowUp: pan(view, whole, -0.25, 0),
      ArrowDown: pan(view, whole, 0.25, 0),
    };
    const next = moves[event.key];
    if (!next) return;
    event.preventDefault();
    onView(next);
  };
  return (
    <figure>
      <figcaption className="mb-1 flex flex-wrap items-center justify-between gap-2 text-sm text-faint">
        <span className="tabular-nums">
          Rows {shown.rows[0]} to {shown.rows[1] - 1}, columns {shown.columns[0]} to{' '}
          {shown.columns[1] - 1}
        </span>
        <span className="flex gap-1">
          <Tool label="Nearer" icon={Plus} onClick={() => onView(zoom(view, whole, 0.5))} />
          <Tool label="Farther" icon={Minus} onClick={() => onView(zoom(view, whole, 2))} />
          <Tool label="Whole tensor" icon={RotateCcw} onClick={() => onView(whole)} />
        </span>
      </figcaption>
      <div
        className="cursor-zoom-in touch-manipulation rounded border"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it takes keys: arrows, plus, minus, 0
        tabIndex={0}
        role="application"
        aria-label="Heatmap. Arrow keys move, plus and minus zoom, 0 shows the whole tensor."
        onKeyDown={keys}
        onPointerMove={(event) => setCell(at(event))}
        onPointerLeave={() => setCell(null)}
        onPointerUp={(event) => onView(zoom(view, whole, 0.25, at(event)))}
      >
        <canvas
          ref={canvas}
          className="block h-80 w-full rounded-[3px] [image-rendering:pixelated]"
          width={heatmap.columns}
          height={heatmap.rows}
        />
      </div>
      <p className="mt-1 min-h-10 text-[0.8125rem] text-faint tabular-nums" aria-live="off">
        {cell
          ? cellText(heatmap, shown, cell)
          : heatmap.kind === 'value'
            ? `Single weights; full colour is ±${scale.toPrecision(3)}.`
            : `Each point is the root mean square of its weights; full colour is ${scale.toPrecision(3)}. Click to go nearer.`}
      </p>
    </figure>
  );
}

function Tool({
  label,
  icon: Icon,
  onClick,
}: {
  label: string;
  icon: typeof Plus;
  onClick(): void;
}) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <Icon aria-hidden className="size-4" />
    </button>
  );
}

const clamp = (x: number) => Math.min(0.999999, Math.max(0, x));

function cellText(
  { rows, columns, values, kind }: Heatmap,
  view: View,
  at: { x: number; y: number },
) {
  const [y, x] = [Math.floor(at.y * rows), Math.floor(at.x * columns)];
  const place = ([from, to]: [number, number], share: number) =>
    Math.floor(from + share * (to - from));
  const row = place(view.rows, (y + 0.5) / rows);
  const column = place(view.columns, (x + 0.5) / columns);
  const found = values[y * columns + x]!;
  const text = Number.isNaN(found) ? 'not read' : found.toPrecision(4);
  return `${kind === 'value' ? '' : 'about '}row ${row}, column ${column}: ${text}`;
}

/** Full colour at the 99.5th percentile: a few outliers would leave the rest pale. */
function scaleOf({ values }: Heatmap): number {
  const magnitudes = values
    .filter((value) => !Number.isNaN(value))
    .map(Math.abs)
    .sort();
  return magnitudes[Math.floor(magnitudes.length * 0.995)] || magnitudes.at(-1) || 1;
}

/** Negative weights are ochre, positive ones pine, as far from the page's ground as they are large. */
function paint(canvas: HTMLCanvasElement, heatmap: Heatmap, scale: number, dark: boolean): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const ground = dark ? [24, 30, 27] : [250, 252, 250];
  const positive = dark ? [110, 231, 170] : [0, 94, 62];
  const negative = dark ? [245, 190, 90] : [160, 84, 0];
  const image = context.createImageData(heatmap.columns, heatmap.rows);
  heatmap.values.forEach((value, i) => {
    const strength = Number.isNaN(value) ? 0 : Math.min(1, Math.abs(value) / scale);
    const colour = value < 0 ? negative : positive;
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = ground[c]! + (colour[c]! - ground[c]!) * strength;
    }
    image.data[4 * i + 3] = Number.isNaN(value) ? 0 : 255;
  });
  context.putImageData(image, 0, 0);
}
