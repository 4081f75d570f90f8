/** What failures cost a node, by the times at which they come. */
import { expect, test } from 'vitest';
import { Health } from '../src/health.ts';

const MINUTE = 60_000;

/** How long it pauses from `now` on, ms; a second more or less. */
function pauseFrom(health: Health, now: number): number {
  let ms = 0;
  while (health.isPaused(now + ms)) ms += 500;
  return ms;
}

/** The pauses that failures cost, so far apart. */
function pausesOf(count: number, apartMs: number): number[] {
  const health = new Health();
  return Array.from({ length: count }, (_, i) => {
    health.failed(i * apartMs);
    return pauseFrom(health, i * apartMs);
  });
}

test('failures in a row double the pause, up to five minutes', () => {
  const pauses = pausesOf(12, 1000);
  expect(pauses.slice(0, 5)).toEqual([0, 2000, 4000, 8000, 16_000]);
  expect(Math.max(...pauses)).toBe(300_000);
});

test('each minute forgives one failure, whatever comes between', () => {
  const health = new Health();
  for (let i = 0; i < 6; i++) health.failed(i * 1000);
  // Of six, three are forgiven in three minutes; then half a minute counts on.
  health.failed(3.5 * MINUTE);
  expect(pauseFrom(health, 3.5 * MINUTE)).toBe(8000);
  health.failed(4 * MINUTE);
  expect(pauseFrom(health, 4 * MINUTE)).toBe(8000);
  // Long afterwards nothing is left, and the first one costs nothing again.
  health.failed(20 * MINUTE);
  expect(pauseFrom(health, 20 * MINUTE)).toBe(0);
  health.failed(21 * MINUTE - 1);
  expect(pauseFrom(health, 21 * MINUTE - 1)).toBe(2000);
});

test('a worker that is killed once a minute never pauses, and ten times in five minutes not for long', () => {
  expect(Math.max(...pausesOf(100, MINUTE))).toBe(0);
  expect(Math.max(...pausesOf(10, MINUTE / 2))).toBeLessThanOrEqual(32_000);
});

test('one that breaks down at every try is tried about once a minute', () => {
  const health = new Health();
  let now = 0;
  const pauses: number[] = [];
  for (let i = 0; i < 50; i++) {
    health.failed(now);
    pauses.push(pauseFrom(health, now));
    now += pauseFrom(health, now) + 1000;
  }
  expect(Math.max(...pauses)).toBeLessThanOrEqual(128_000);
  expect(Math.min(...pauses.slice(10))).toBeGreaterThanOrEqual(16_000);
});

test('who neither works nor breaks down rests for five minutes; good work clears the record', () => {
  const health = new Health();
  health.stuck(0);
  expect(pauseFrom(health, 0)).toBe(300_000);
  for (let i = 0; i < 4; i++) health.failed(400_000 + i);
  health.worked();
  health.failed(401_000);
  health.failed(402_000);
  expect(pauseFrom(health, 402_000)).toBe(2000);
});

test('a death that neighbours tell of and the restart behind it are one failure', () => {
  const health = new Health();
  for (let i = 0; i < 3; i++) {
    health.failed(i * MINUTE);
    health.restarted(i * MINUTE + 3000);
  }
  expect(pauseFrom(health, 2 * MINUTE + 3000)).toBe(0);
  // One that nobody told of counts by itself.
  health.restarted(2.5 * MINUTE);
  expect(pauseFrom(health, 2.5 * MINUTE)).toBe(2000);
});
