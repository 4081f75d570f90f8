import type { inferRouterOutputs } from '@trpc/server';
import Link from 'next/link';
import { Empty } from '@/components/empty';
import { RelativeTime } from '@/components/relative-time';
import { ScrollArea } from '@/components/scroll-area';
import { receiptHref } from '@/lib/explorer-links';
import { shortHash } from '@/lib/hash';
import type { AppRouter } from '@/server/trpc/root';

export type OwnAnswer = inferRouterOutputs<AppRouter>['answers']['ofNode'][number];

interface OwnAnswersProps {
  own: OwnAnswer[];
  label: string;
  /** What is said when there is none. */
  children: string;
}

/** Answers of this browser's own conversations: nobody else is told which they are. */
export function OwnAnswers({ own, label, children }: OwnAnswersProps) {
  if (own.length === 0) return <Empty>{children}</Empty>;
  return (
    <ScrollArea label={label}>
      <table className="data-table">
        <thead>
          <tr>
            <th scope="col">Receipt</th>
            <th scope="col">Model</th>
            <th scope="col">State</th>
            <th scope="col">Begun</th>
          </tr>
        </thead>
        <tbody>
          {own.map(({ id, model, status, startedAt }) => (
            <tr key={id}>
              <td>
                <Link className="link font-mono text-[0.8125rem]" href={receiptHref(id)}>
                  {shortHash(id)}
                </Link>
              </td>
              <td>{model ?? '–'}</td>
              <td>{status}</td>
              <td className="text-soft">
                <RelativeTime time={startedAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}
