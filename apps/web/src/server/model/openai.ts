import type { ModelObject } from '@blyan/protocol/openai';
import type { ListedModel } from './catalog.ts';

/** The name that the segments of an address spell, or null when its percent signs are no encoding. */
export function nameOfSegments(segments: string[]): string | null {
  try {
    return segments.map(decodeURIComponent).join('/');
  } catch {
    return null;
  }
}

/** The newest model of each name that is not retired, the newest name first. */
export function modelObjects(models: ListedModel[]): ModelObject[] {
  const byName = new Map<string, ModelObject>();
  for (const { name, block, retired } of models) {
    if (retired || byName.has(name)) continue;
    const created = Math.floor(block.header.time / 1000);
    const owner = block.body.source.repository ?? 'blyan';
    byName.set(name, { id: name, object: 'model', created, owned_by: owner });
  }
  return [...byName.values()];
}
