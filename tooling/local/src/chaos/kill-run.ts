/** One question after the other, of which each loses a worker that answers it; others between: `--kills N`. */
import { startProduct } from '../product.ts';
import { answerUndisturbed, killMember, STAGES, type Stages, startPipelines } from './kills.ts';
import { judge, noResult } from './load.ts';
import type { RunDeps } from './load-run.ts';
import { openRequests } from './open-requests.ts';
import { randomOf } from './random.ts';
import { type FaultRecord, type Report, reportOf } from './report.ts';
import { Rig } from './rig.ts';

export async function runKills(
  { kills, seed }: { kills: number; seed: number },
  { dataDir, log }: RunDeps,
): Promise<Report> {
  await using product = await startProduct({ dataDir });
  await using rig = await Rig.open(product, dataDir);
  const random = randomOf(seed);
  const result = noResult();
  const records: FaultRecord[] = [];
  const began = performance.now();
  let left = kills;
  for (const [i, stages] of STAGES.entries()) {
    const times = Math.ceil(left / (STAGES.length - i));
    left -= times;
    if (times > 0) await startPipelines(rig, stages);
    for (let k = 0; k < times; k++) await once(stages);
  }
  const workers = 2 * Math.max(...STAGES);
  const minutes = Math.round((performance.now() - began) / 6000) / 10;
  const open = await openRequests(rig.db);
  return reportOf({ minutes, seed, workers, open, lateCounts: true }, result, records);

  async function once(stages: Stages): Promise<void> {
    result.asked++;
    try {
      const { answer, stage, at, recoveryMs } = await killMember(rig, stages, random);
      judge(answer, rig.undisturbed, result);
      const kind = `stage ${stage + 1} of ${stages} killed`;
      const seconds = Math.round((performance.now() - began) / 1000);
      records.push({ kind, at: seconds, recoveryMs });
      log(`${seconds} s: ${kind} at token ${at}, the next one after ${recoveryMs} ms`);
      const others = await answerUndisturbed(rig);
      result.asked += others.length;
      for (const each of others) judge(each, rig.undisturbed, result);
    } catch (error) {
      result.lost.push((error as Error).message);
    }
  }
}
