/** Numbers and times for people. */
import type { Locale } from './i18n/locale.ts';

const count = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export const formatCount = (value: number) => count.format(value);

/** `1 tensor`, `2 tensors`. */
export const plural = (value: number, noun: string) =>
  `${formatCount(value)} ${noun}${value === 1 ? '' : 's'}`;

/** 1 decimal above a kibibyte: `20.3 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

const korean = new Intl.NumberFormat('ko', { notation: 'compact', maximumFractionDigits: 1 });

/** Weights of a model: `11.0 M`, `8.2 B`, `1100만`. */
export function formatParameters(weights: number, locale: Locale = 'en'): string {
  if (locale === 'ko') return korean.format(weights);
  if (weights >= 1e9) return `${(weights / 1e9).toFixed(1)} B`;
  if (weights >= 1e6) return `${(weights / 1e6).toFixed(1)} M`;
  if (weights >= 1e3) return `${(weights / 1e3).toFixed(1)} k`;
  return String(weights);
}

export function formatDuration(ms: number, locale: Locale = 'en'): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const [minute, second] = locale === 'ko' ? ['분', '초'] : [' min', ' s'];
  if (ms < 60_000) return `${short.format(ms / 1000)}${second}`;
  return `${Math.floor(ms / 60_000)}${minute} ${Math.round((ms % 60_000) / 1000)}${second}`;
}

export const formatRate = (tokensPerSecond: number, locale: Locale = 'en') =>
  locale === 'ko'
    ? `초당 토큰 ${short.format(tokensPerSecond)}개`
    : `${short.format(tokensPerSecond)} tokens/s`;

const STEPS: [limit: number, size: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60_000, 1000, 'second'],
  [3_600_000, 60_000, 'minute'],
  [86_400_000, 3_600_000, 'hour'],
  [30 * 86_400_000, 86_400_000, 'day'],
  [365 * 86_400_000, 30 * 86_400_000, 'month'],
  [Number.POSITIVE_INFINITY, 365 * 86_400_000, 'year'],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export function formatAgo(time: number, now: number): string {
  const age = now - time;
  if (Math.abs(age) < 5000) return 'just now';
  const [, size, unit] = STEPS.find(([limit]) => Math.abs(age) < limit) ?? STEPS[5]!;
  return relative.format(-Math.round(age / size), unit);
}

/** Unambiguous and the same on server and browser: `2026-01-31 12:00:00 UTC`. */
export const formatTime = (time: number) =>
  `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
