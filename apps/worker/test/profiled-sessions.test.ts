/** The profile of the benchmark sees every part of a stage, and counts no time twice. */
import { expect, it } from 'vitest';
import { ProfiledSessions } from '../bench/profiled-sessions.ts';
import { loadModel, micro } from './support/models.ts';

it('has the runs of all parts, each with times that fit into it', async () => {
  const sessions = await ProfiledSessions.begin();
  await using model = await loadModel(micro('qwen3-micro'), { slots: 2, partBytes: 1 });
  const { session } = model;
  expect(sessions.count).toBe(session.config.layers);
  const before = sessions.runs();
  const caches = [session.createCache(), session.createCache()];
  for (const cache of caches) await session.prefill(cache, { input: { ids: [3, 17] }, rows: [] });
  await session.decode(caches, { ids: [5, 6] });
  const until = sessions.runs();
  const all = await sessions.end();
  for (const [part, runs] of all.entries()) {
    const ours = runs.slice(before[part], until[part]);
    expect(ours).toHaveLength(3);
    for (const { waited, inside, ops } of ours) {
      const own = [...ops.values()].map(({ ms }) => ms);
      expect(ops.get('FusedMatMul')?.calls).toBeGreaterThan(4);
      expect(ops.get('If')?.calls).toBeGreaterThan(0);
      // With branches in the time of their `If`, too, they would be more than the run.
      for (const ms of own) expect(ms).toBeGreaterThanOrEqual(-0.01);
      expect(own.reduce((a, b) => a + b)).toBeLessThanOrEqual(inside);
      expect(inside).toBeLessThanOrEqual(waited);
    }
  }
});
