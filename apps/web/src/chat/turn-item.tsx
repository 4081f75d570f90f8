'use client';

import { memo } from 'react';
import { Answer } from './answer';
import type { ClusterState } from './api-types';
import type { OpenDialog } from './chat-context';
import { Question } from './question';
import type { ShownTurn } from './snapshot';
import type { Conversation } from './store';
import type { AssistantMessage, UserMessage } from './types';

interface TurnItemProps extends ShownTurn {
  last: boolean;
  /** An answer of this conversation is being written. */
  busy: boolean;
  status: ClusterState;
  conversation: Conversation;
  onShow(dialog: OpenDialog): void;
}

const same = <T,>(a: readonly T[], b: readonly T[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

/** Lists are made anew with every token: what counts is what is in them. */
function unchanged(a: TurnItemProps, b: TurnItemProps): boolean {
  const { parts, versions, status, ...rest } = a;
  if (!same(parts, b.parts) || !same(versions, b.versions)) return false;
  // Only an answer that waits or has failed shows how the cluster is.
  const minds = parts.some((part) => part.role === 'assistant' && part.status !== 'done');
  if (minds && status !== b.status) return false;
  return (Object.keys(rest) as (keyof typeof rest)[]).every((key) => a[key] === b[key]);
}

/** Items that are off the screen are neither laid out nor painted. */
export const TurnItem = memo(function TurnItem(props: TurnItemProps) {
  const { role, parts, versions, version, last, busy, status, conversation, onShow } = props;
  const first = parts[0];
  if (!first) return null;
  const switcher = { versions, version, busy, onSelect: (id: string) => conversation.select(id) };
  return (
    <li
      className={`${role === 'user' ? 'pt-4' : 'pb-4'} [contain-intrinsic-size:auto_10rem] [content-visibility:auto]`}
    >
      {role === 'user' ? (
        <Question
          message={first as UserMessage}
          switcher={switcher}
          onEdit={busy ? undefined : (text) => conversation.edit(first.id, text)}
        />
      ) : (
        <Answer
          parts={parts as AssistantMessage[]}
          last={last}
          status={status}
          switcher={switcher}
          onRegenerate={busy ? undefined : (id) => conversation.regenerate(id)}
          onContinue={busy ? undefined : (id) => conversation.goOn(id)}
          onShow={onShow}
        />
      )}
    </li>
  );
}, unchanged);
