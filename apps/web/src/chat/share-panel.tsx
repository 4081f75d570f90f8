'use client';

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { toast } from 'sonner';
import { Button } from '@/components/button';
import { CopyButton } from '@/components/copy-button';
import { useWords } from '@/lib/i18n/provider';
import { useTRPC, useTRPCClient } from '@/lib/trpc';
import { useChat } from './chat-context';
import { useFailed } from './failure';

export function SharePanel({ id }: { id: string }) {
  const { share: t } = useWords();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queries = useQueryClient();
  const { told } = useChat();
  const failed = useFailed();
  const [busy, setBusy] = useState(false);
  const options = trpc.conversations.get.queryOptions({ id });
  const { data } = useQuery({ ...options, staleTime: 0 });
  const token = data?.shareToken;
  const run = async (change: () => Promise<string | null>) => {
    setBusy(true);
    try {
      const shareToken = await change();
      queries.setQueryData(options.queryKey, (before) => before && { ...before, shareToken });
      told(id, { shareToken });
      if (shareToken === null) toast.success(t.revoked);
    } catch (error) {
      failed(error);
    }
    setBusy(false);
  };
  const make = () => run(async () => (await client.conversations.share.mutate({ id })).token);
  const revoke = () =>
    run(async () => {
      await client.conversations.unshare.mutate({ id });
      return null;
    });
  const address = token ? `${location.origin}/s/${token}` : '';
  return (
    <div className="space-y-4">
      <p className="text-sm text-soft">{t.text}</p>
      {!data && <div aria-hidden className="skeleton h-9" />}
      {data && !token && (
        <Button kind="accent" disabled={busy} onClick={make}>
          {t.make}
        </Button>
      )}
      {token && (
        <>
          <div className="flex items-center gap-1">
            <input
              readOnly
              aria-label={t.link}
              value={address}
              onFocus={(event) => event.target.select()}
              className="min-w-0 flex-1 rounded-md border bg-sunken px-3 py-1.5 font-mono text-[0.8125rem]"
            />
            <CopyButton text={address} label={t.copy} />
          </div>
          <Button disabled={busy} onClick={revoke}>
            {t.revoke}
          </Button>
        </>
      )}
    </div>
  );
}
