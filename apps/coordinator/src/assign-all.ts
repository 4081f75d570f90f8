/** Every node gets all layers of the model that is to be served: for a network whose nodes each hold it whole. */
import { randomUUID } from 'node:crypto';
import { toHex } from '@blyan/chain/hex';
import { ChainVerifier } from '@blyan/chain/verify';
import { listBlocks, MAX_LIST } from '@blyan/db/chain';
import type { PrismaClient } from '@blyan/db/client';
import { genesisHash } from '@blyan/db/genesis';
import { Assignment } from '@blyan/protocol/assignment';
import type { Redis } from '@blyan/queue/connection';
import { tellNode } from '@blyan/queue/control';
import { nodeAssignment } from '@blyan/queue/names';
import type { NodeRegistry } from './nodes.ts';
import type { Models } from './served-model.ts';

export interface AssignAllDeps {
  db: PrismaClient;
  redis: Redis;
  nodes: NodeRegistry;
  models: Models;
  /** Name of the model to serve; null for the newest. */
  modelName: string | null;
}

/** Looks after the nodes each time that it is called. */
export function assignAll({ db, redis, nodes, models, modelName }: AssignAllDeps) {
  /** Node id -> the start of the node that has its assignment. */
  const done = new Map<string, string>();
  let verifier: ChainVerifier | null = null;

  /** The newest model of that name that is not retired. */
  async function wanted(): Promise<string | null> {
    const genesis = await genesisHash(db);
    if (!genesis) return null;
    verifier ??= new ChainVerifier({ genesis });
    for (;;) {
      const from = verifier.size('A');
      const page = await listBlocks(db, 'A', { from, limit: MAX_LIST });
      for (const { sealed } of page) verifier.accept(sealed);
      if (page.length < MAX_LIST) break;
    }
    const blocks = verifier.blocks('A');
    const retired = new Set(
      blocks.flatMap((block) => (block.isType('retire') ? [toHex(block.body.model)] : [])),
    );
    const candidates = blocks.flatMap((block) =>
      block.isType('model') && (modelName === null || block.body.name === modelName)
        ? [toHex(block.hash)]
        : [],
    );
    return candidates.findLast((hash) => !retired.has(hash)) ?? null;
  }

  return async () => {
    const now = performance.now();
    const due = [...nodes.all()].filter(
      (node) =>
        nodes.isAlive(node, now) &&
        node.status?.capacity !== undefined &&
        done.get(node.id) !== node.status.boot,
    );
    if (due.length === 0) return;
    const model = await wanted();
    if (model === null) return;
    const { layers } = await models.get(model);
    for (const { id, status } of due) {
      const key = nodeAssignment(id);
      const publicKey = '0'.repeat(64);
      const stages = [
        { nodeId: id, publicKey, layers: [0, layers - 1] as [number, number], addresses: [] },
      ];
      const kept = Assignment.safeParse(JSON.parse((await redis.get(key)) ?? 'null')).data;
      const same = kept?.model === model && JSON.stringify(kept.stages) === JSON.stringify(stages);
      if (!same) {
        const assignment: Assignment = { id: randomUUID(), model, stages, frames: 'f32' };
        await redis.set(key, JSON.stringify(assignment));
        await tellNode(redis, id, { type: 'assignment' });
      }
      if (status) done.set(id, status.boot);
    }
  };
}
