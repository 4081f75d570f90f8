/**
 * Sliding windows: a layer with one attends to the last `sliding_window` positions only. The stage
 * graph has full attention, which is the same where the window holds the whole context; any other
 * window is refused.
 */
import type { Family } from '../families/family.ts';
import { invalid, type Json, unsupported } from './fields.ts';

/** @throws ModelError FEATURE_UNSUPPORTED when a window would hide a position; CONFIG_INVALID */
export function refuseSlidingWindow(
  config: Json,
  family: Family,
  { layers, context }: { layers: number; context: number },
): void {
  const types = readLayerTypes(config, layers);
  const window = windowInForce(config, family);
  const sliding = types?.includes('sliding_attention') ?? false;
  if (window === null) {
    if (!sliding) return;
    throw unsupported(
      'layer_types',
      'sliding_attention',
      'only full attention is served, and no sliding_window is in force.',
    );
  }
  if (family.windows === 'flagged' && !sliding) {
    // Without a list, the layers from `max_window_layers` on have the window.
    const { max_window_layers: full } = config;
    if (types !== null || (typeof full === 'number' && full >= layers)) return;
  }
  if (typeof window === 'number' && window >= context) return;
  throw unsupported(
    'sliding_window',
    window,
    `sliding-window attention is not served, unless the window holds all ${context} positions.`,
  );
}

/** null: no layer has a window. */
function windowInForce(config: Json, family: Family): number | 'unknown' | null {
  if (family.windows === 'flagged') {
    const flag = config.use_sliding_window ?? false;
    if (typeof flag !== 'boolean') throw invalid('use_sliding_window', flag, 'true or false');
    // Published Qwen2 configs name a window that they do not use.
    if (!flag) return null;
  }
  const { sliding_window: stated } = config;
  if (stated === undefined) return family.windows === 'flagged' ? 'unknown' : family.windows.absent;
  if (stated === null) return null;
  if (typeof stated !== 'number' || !Number.isInteger(stated) || stated < 1) {
    throw invalid('sliding_window', stated, 'a number of positions, or null');
  }
  return stated;
}

function readLayerTypes(config: Json, layers: number): string[] | null {
  const types = config.layer_types ?? null;
  if (types === null) return null;
  if (!Array.isArray(types)) throw invalid('layer_types', types, 'a list');
  const other = types.find((type) => type !== 'full_attention' && type !== 'sliding_attention');
  if (other !== undefined)
    throw unsupported('layer_types', other, 'only full attention is served.');
  if (types.length !== layers) {
    throw invalid('layer_types', `${types.length} entries`, 'one entry for each layer');
  }
  return types;
}
