import type { ChainId } from '@blyan/protocol/ids';

export const CHAIN_TEXT: Record<ChainId, { title: string; holds: string }> = {
  A: { title: 'Meta', holds: 'Models, and the keys that may write' },
  B: { title: 'Parameters', holds: 'The weights, one block for each layer' },
  L: { title: 'Ledger', holds: 'Receipts and rewards' },
};

export const isChain = (text: string): text is ChainId => text in CHAIN_TEXT;

export const TYPE_TEXT: Record<string, string> = {
  genesis: 'Genesis',
  model: 'Model',
  authority: 'Authority',
  retire: 'Retire',
  layer: 'Layer',
  epoch: 'Epoch',
};
