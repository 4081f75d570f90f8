import type { NodeDetails } from '@blyan/protocol/explorer';
import Link from 'next/link';
import { Empty } from '@/components/empty';
import { Hash } from '@/components/hash';
import { RelativeTime } from '@/components/relative-time';
import { ScrollArea } from '@/components/scroll-area';
import { State } from '@/components/state';
import { modelHref } from '@/lib/explorer-links';
import { formatCount, plural } from '@/lib/format';
import { shortHash } from '@/lib/hash';
import { Fact, Facts } from './facts';
import { type OwnAnswer, OwnAnswers } from './own-answers';
import { Section } from './section';

const STATES = {
  idle: ['open', 'waits for a model'],
  loading: ['busy', 'loads its layers'],
  ready: ['good', 'ready'],
  failed: ['bad', 'failed'],
  draining: ['warn', 'finishes what it has, and takes no more'],
} as const;

const EXCLUDED = {
  draining: 'An admin lets it finish what it has; it gets no more.',
  evicted: 'An admin has sent it away; it may not register.',
  distrusted: 'It served wrong bytes or wrote what cannot be; it gets no more work.',
} as const;

export function NodePage({ node, own }: { node: NodeDetails; own: OwnAnswer[] }) {
  return (
    <>
      <h1 className="text-xl font-semibold tracking-tight break-all">Worker {node.id}</h1>
      <p className="mt-1 max-w-prose text-soft">
        Somebody's machine, which computes answers from verified blocks. Nobody has to trust it:
        receipts say what it wrote, from which blocks and with which seed.
      </p>
      <div className="mt-6">
        <Facts>
          <Fact name="State">
            <Status node={node} />
          </Fact>
          <Fact name="Public key" hint="Ed25519. The worker signs its registration with it.">
            {node.publicKey ? <Hash value={node.publicKey} label="public key" /> : 'none yet'}
          </Fact>
          <Fact name="Registered">
            <RelativeTime time={node.registeredAt} />
            <span className="text-faint">, version {node.version}</span>
          </Fact>
          <Fact name="Last seen">
            <RelativeTime time={node.lastSeenAt} />
          </Fact>
          {node.now && <Now now={node.now} />}
        </Facts>
      </div>
      <Section title="What ran on it">
        <Work node={node} />
      </Section>
      <Section title="Your answers from it">
        <OwnAnswers own={own} label="Your answers from it">
          None of the conversations of this browser has an answer from this worker.
        </OwnAnswers>
      </Section>
    </>
  );
}

function Status({ node: { now, excluded } }: { node: NodeDetails }) {
  const [kind, word] = now ? STATES[now.state] : (['open', 'does not report'] as const);
  return (
    <>
      <State kind={kind}>{word}</State>
      {now && now.running > 0 && (
        <span className="text-faint">, {plural(now.running, 'answer')} running</span>
      )}
      {excluded && (
        <p className="mt-0.5">
          <State kind="warn">{EXCLUDED[excluded]}</State>
        </p>
      )}
    </>
  );
}

function Now({ now: { model, layers, numerics } }: { now: NonNullable<NodeDetails['now']> }) {
  return (
    <>
      {model && (
        <Fact name="Serves now">
          <span className="flex flex-wrap items-center gap-x-3">
            <Hash value={model} href={modelHref(model)} label="model block" />
            {layers && (
              <span className="text-soft">
                layers {layers[0]} to {layers[1]}
              </span>
            )}
          </span>
        </Fact>
      )}
      {numerics && (
        <Fact name="Numerics" hint="Equal bits are promised between workers with equal ones.">
          {numerics.provider}, {numerics.runtime}, {numerics.weights.join(' ')}, {numerics.matmul},
          KV {numerics.kv}
        </Fact>
      )}
    </>
  );
}

function Work({ node: { work, moreWork } }: { node: NodeDetails }) {
  if (work.length === 0) {
    return <Empty>No answer that is still kept was written here.</Empty>;
  }
  return (
    <>
      <ScrollArea label="What ran on it">
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" className="!text-right">
                Answers
              </th>
              <th scope="col" className="!text-right">
                Finished
              </th>
              <th scope="col">First</th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            {work.map(({ model, name, answers, completed, first, last }) => (
              <tr key={model}>
                <td>
                  <Link className="link" href={modelHref(model)}>
                    {name ?? shortHash(model)}
                  </Link>
                </td>
                <td className="text-right">{formatCount(answers)}</td>
                <td className="text-right">{formatCount(completed)}</td>
                <td className="text-soft">
                  <RelativeTime time={first} />
                </td>
                <td className="text-soft">
                  <RelativeTime time={last} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
      <p className="mt-2 max-w-prose text-sm text-faint">
        {moreWork && 'Only the latest ones are counted. '}
        Which answers these are is not listed: whoever has the address of an answer can read it.
      </p>
    </>
  );
}
