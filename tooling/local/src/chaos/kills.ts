/** `kill -9` of workers that write an answer, over one or several stages. */
import type { ExtraPart } from '../extra-parts.ts';
import type { Followed } from '../following-client.ts';
import { freePort } from '../ports.ts';
import { pick } from './random.ts';
import type { Disturbed, Rig } from './rig.ts';

/** Bytes of one worker, MiB, with which the embedded model needs so many; null: as many as it likes. */
const MEMORY_MB = { 1: null, 2: 40, 3: 26 } as const;
export type Stages = keyof typeof MEMORY_MB;
export const STAGES = Object.keys(MEMORY_MB).map(Number) as Stages[];

/** One goes on when a member of the other is killed. */
const PIPELINES = 2;
/** Behind that share of an answer nobody is killed: it could be over before. */
const LAST_KILL = 0.6;

/**
 * Replaces the rig's workers by two pipelines of so many stages; resolves when both serve.
 *
 * @param envOf further variables of each worker
 */
export async function startPipelines(
  rig: Rig,
  stages: Stages,
  envOf: (worker: number) => NodeJS.ProcessEnv = () => ({}),
): Promise<void> {
  await Promise.all(rig.workers.map((worker) => worker.stop()));
  const memory = MEMORY_MB[stages];
  const names = Array.from({ length: PIPELINES * stages }, (_, i) => `stage-${stages}-${i}`);
  rig.workers = await Promise.all(
    names.map(async (name, i) =>
      rig.parts.worker(name, {
        BLYAN_WORKER_LISTEN: `127.0.0.1:${await freePort()}`,
        ...envOf(i),
        ...(memory !== null && { BLYAN_WORKER_MEMORY_MB: String(memory) }),
      }),
    ),
  );
  await Promise.all(rig.workers.map((worker) => worker.start()));
  await rig.untilServing(PIPELINES);
}

/** So many at once that no pipeline is without one. */
const AT_ONCE = 8;

/**
 * Answers of all pipelines, in which nobody is killed. Work clears the record of a worker: one that is
 * killed again and again before it has done any is left out for longer each time.
 */
export async function answerUndisturbed(rig: Rig): Promise<Followed[]> {
  await rig.untilServing(PIPELINES);
  return Promise.all(Array.from({ length: AT_ONCE }, () => rig.ask()));
}

export interface Kill extends Disturbed {
  stages: Stages;
  /** Which stage was killed; 0 is the head. */
  stage: number;
  /** Tokens that the reader had then. */
  at: number;
}

/** Asks, and kills a random member of who answers, at a random token; it is started again at once. */
export async function killMember(rig: Rig, stages: Stages, random: () => number): Promise<Kill> {
  await rig.untilServing(PIPELINES);
  const at = 1 + Math.floor(random() * rig.undisturbed.tokens * LAST_KILL);
  const stage = pick([...Array(stages).keys()], random);
  let victim: ExtraPart | undefined;
  const disturbed = await rig.disturbed(at, {
    async breaks({ id }) {
      const members = await rig.membersOf(id);
      victim = members[stage];
      if (members.length !== stages || !victim)
        throw new Error(`${members.length} stages answer, not ${stages}`);
      await victim.kill();
    },
    mends: async () => victim?.start(),
  });
  return { ...disturbed, stages, stage, at };
}
