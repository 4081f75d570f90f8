'use client';

import { useMutation } from '@tanstack/react-query';
import { toast } from 'sonner';
import { RelativeTime } from '@/components/relative-time';
import { useTRPC } from '@/lib/trpc';
import { NotConfirmed, useConfirmed } from '../access/confirm';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { Secret } from '../ui/secret';

export function Invite() {
  const trpc = useTRPC();
  const confirmed = useConfirmed();
  const invite = useMutation(trpc.admin.account.invite.mutationOptions());
  const make = () =>
    confirmed(() => invite.mutateAsync()).catch((error: unknown) => {
      if (!(error instanceof NotConfirmed)) toast.error(failureOf(error).message);
    });
  return (
    <div className="grid grid-cols-1 justify-items-start gap-3 text-sm">
      <Button onClick={make} disabled={invite.isPending}>
        Make a link
      </Button>
      {invite.data && (
        <div className="grid w-full grid-cols-1 gap-1.5">
          <Secret>{location.origin + invite.data.path}</Secret>
          <p className="text-faint">
            Send it by a way that nobody else reads. It ends{' '}
            <RelativeTime time={invite.data.expiresAt.getTime()} />.
          </p>
        </div>
      )}
    </div>
  );
}
