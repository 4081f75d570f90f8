/** What a page shows of a conversation. Values that did not change stay the same objects. */
import type { ConversationSettings } from '@/lib/conversation';
import { alternatives, pathTo, type Turn, turnsOf } from '@/lib/tree';
import { isOpen, type Message } from './types.ts';

export interface ShownTurn extends Turn<Message> {
  /** Ids of all versions of this turn, and which one this is. */
  versions: readonly string[];
  version: number;
}

export interface Snapshot {
  state: 'loading' | 'ready' | 'missing' | 'failed';
  title: string;
  shareToken: string | null;
  settings: ConversationSettings;
  turns: readonly ShownTurn[];
  /** The answer that is being written in this branch. */
  open: boolean;
}

interface Source extends Omit<Snapshot, 'turns' | 'open'> {
  nodes: ReadonlyMap<string, Message>;
  head: string | null;
}

export function snapshotOf({ nodes, head, ...rest }: Source): Snapshot {
  return {
    ...rest,
    turns: shownTurns(nodes, head),
    open: isOpen(head ? nodes.get(head) : undefined),
  };
}

export function shownTurns(
  nodes: ReadonlyMap<string, Message>,
  head: string | null,
): readonly ShownTurn[] {
  const versionsOf = alternatives(nodes);
  return turnsOf(pathTo(nodes, head)).map((turn) => {
    const first = turn.parts[0] as Message;
    const versions = versionsOf(first);
    return { ...turn, versions, version: versions.indexOf(first.id) };
  });
}
