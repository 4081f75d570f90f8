import { ArrowLeft, ArrowRight } from 'lucide-react';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { CurlCommand } from '@/components/curl-command';
import { Hash } from '@/components/hash';
import { RelativeTime } from '@/components/relative-time';
import { State } from '@/components/state';
import { VerifyPanel } from '@/components/verify/verify-panel';
import { blockHref } from '@/lib/explorer-links';
import { formatTime } from '@/lib/format';
import { BlockBody } from './block-body';
import { BlockBytes } from './block-bytes';
import { CHAIN_TEXT, TYPE_TEXT } from './chains';
import { Fact, Facts } from './facts';
import { Section } from './section';
import type { Block } from './types';

export function BlockPage({ block, genesis }: { block: Block; genesis: string | null }) {
  const { chain, height, hash, header } = block;
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h1 className="text-xl font-semibold tracking-tight">
          {TYPE_TEXT[header.type] ?? header.type} block{' '}
          <span className="whitespace-nowrap">
            {chain} · {height}
          </span>
        </h1>
        <Neighbours block={block} />
      </div>
      <p className="mt-2">
        <Hash value={hash} full label="block hash" />
      </p>

      <div className="mt-6">
        <VerifyPanel
          label="Verify this block"
          target={{ kind: 'block', chain, hash }}
          genesis={genesis}
        />
      </div>

      <section aria-labelledby="header" className="mt-8">
        <h2 id="header" className="mb-2 font-semibold">
          Header
        </h2>
        <Facts>
          <Fact name="Chain">
            <Link className="link" href={`/explorer?chain=${chain}`}>
              {chain}, {CHAIN_TEXT[chain].title.toLowerCase()}
            </Link>
          </Fact>
          <Fact name="Written">
            <RelativeTime time={header.time} />{' '}
            <span className="text-faint">({formatTime(header.time)})</span>
          </Fact>
          <Fact name="Previous block">
            {header.prev ? (
              <Hash
                value={header.prev}
                href={blockHref(chain, header.prev)}
                label="previous hash"
              />
            ) : (
              'none: this is the first block'
            )}
          </Fact>
          {header.anchor && (
            <Fact
              name="Anchor"
              hint="Block of chain A that says who was allowed to write this one."
            >
              <Hash value={header.anchor} href={blockHref('A', header.anchor)} label="anchor" />
            </Fact>
          )}
          <Fact name="Body" hint="Hash of the body below, and its length.">
            <span className="flex flex-wrap items-center gap-x-3">
              <Hash value={header.body} label="body hash" />
              <Bytes value={header.bodyLength} />
            </span>
          </Fact>
          <Fact name="Log" hint="Merkle root over all earlier blocks of this chain.">
            <Hash value={header.log} label="log root" />
          </Fact>
          <Fact name="Size" hint="Header, body and signature.">
            <Bytes value={block.totalBytes} />
          </Fact>
          <Fact name="Author" hint="Ed25519 public key.">
            <Hash value={header.author} label="author key" />
          </Fact>
          <Fact name="Signature">
            <span className="flex flex-wrap items-center gap-x-3">
              <State kind="good">valid, checked by this server for this page</State>
              <Hash value={block.signature} label="signature" />
            </span>
          </Fact>
        </Facts>
      </section>

      <BlockBody block={block} />

      <Section title="Bytes">
        <BlockBytes chain={chain} hash={hash} />
      </Section>

      <section aria-labelledby="check" className="mt-10 max-w-3xl">
        <h2 id="check" className="font-semibold">
          Check it yourself
        </h2>
        <p className="mt-1 mb-2 text-sm text-soft">
          The exact bytes of header, body and signature, as programs verify them, are under{' '}
          <code>wire</code>:
        </p>
        <CurlCommand path={`/chain/${chain}/block/${hash}`} />
      </section>
    </>
  );
}

function Neighbours({ block: { chain, height, header, size } }: { block: Block }) {
  const className =
    'inline-flex items-center gap-1.5 rounded-md border px-2.5 py-1.5 text-sm hover:bg-sunken';
  return (
    <nav aria-label="Neighbouring blocks" className="flex gap-2">
      {header.prev && (
        <Link rel="prev" className={className} href={blockHref(chain, header.prev)}>
          <ArrowLeft aria-hidden className="size-4" /> {height - 1}
          <span className="sr-only">, previous block</span>
        </Link>
      )}
      {height + 1 < size && (
        <Link rel="next" className={className} href={blockHref(chain, height + 1)}>
          {height + 1} <ArrowRight aria-hidden className="size-4" />
          <span className="sr-only">, next block</span>
        </Link>
      )}
    </nav>
  );
}
