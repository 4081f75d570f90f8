'use client';

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { toast } from 'sonner';
import { Problem } from '@/components/problem';
import { RelativeTime } from '@/components/relative-time';
import { useTRPC } from '@/lib/trpc';
import { failureOf } from '../failure';
import { Button } from '../ui/button';

export function Sessions() {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const sessions = useQuery(trpc.admin.account.sessions.queryOptions());
  const end = useMutation(
    trpc.admin.account.endSession.mutationOptions({
      onSuccess: () => void toast.success('The session is over.'),
      onError: (error) => void toast.error(failureOf(error).message),
      onSettled: () =>
        queries.invalidateQueries({ queryKey: trpc.admin.account.sessions.queryKey() }),
    }),
  );
  if (sessions.isPending)
    return <div role="status" aria-label="Loading" className="skeleton h-16 w-full" />;
  if (sessions.isError) return <Problem title={failureOf(sessions.error).message} />;
  return (
    <ul className="divide-y border-y text-sm">
      {sessions.data.map((session) => (
        <li key={session.id} className="flex items-center justify-between gap-4 py-2">
          <div className="min-w-0">
            <div className="truncate" title={session.userAgent ?? undefined}>
              {browserOf(session.userAgent)}
              {session.ipAddress && ` from ${session.ipAddress}`}
            </div>
            <div className="text-[0.8125rem] text-faint">
              {session.current ? 'this session, ' : ''}signed in{' '}
              <RelativeTime time={session.createdAt.getTime()} />
            </div>
          </div>
          {!session.current && (
            <Button onClick={() => end.mutate({ id: session.id })} disabled={end.isPending}>
              End
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Enough to tell one's own apart; the whole text is a hover away. */
function browserOf(userAgent: string | null): string {
  const name = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(userAgent ?? '')?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(userAgent ?? '')?.[1];
  if (!name) return 'A program';
  return [name.replace('Edg', 'Edge').replace('OPR', 'Opera'), system && `on ${system}`]
    .filter(Boolean)
    .join(' ');
}
