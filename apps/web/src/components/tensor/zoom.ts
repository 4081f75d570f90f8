/** Moves of a view over a matrix; never outside of it, never below one weight. */
import type { View } from '@/tensor/messages';

type Range = [from: number, to: number];

/** Fewest weights along each side: single ones are seen well at that. */
const MIN_SIZE = 8;

function around([from, to]: Range, [low, high]: Range, factor: number, share: number): Range {
  const least = Math.min(MIN_SIZE, high - low);
  const size = Math.min(high - low, Math.max(least, Math.round((to - from) * factor)));
  const start = Math.round(from + (to - from) * share - size * share);
  const first = Math.max(low, Math.min(high - size, start));
  return [first, first + size];
}

/** @param at the point, as shares of the view, that stays where it is */
export function zoom(view: View, whole: View, factor: number, at = { x: 0.5, y: 0.5 }): View {
  return {
    rows: around(view.rows, whole.rows, factor, at.y),
    columns: around(view.columns, whole.columns, factor, at.x),
  };
}

function moved([from, to]: Range, [low, high]: Range, share: number): Range {
  const size = to - from;
  const first = Math.max(low, Math.min(high - size, from + Math.round(size * share)));
  return [first, first + size];
}

export function pan(view: View, whole: View, down: number, right: number): View {
  return {
    rows: moved(view.rows, whole.rows, down),
    columns: moved(view.columns, whole.columns, right),
  };
}
