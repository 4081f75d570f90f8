import type { Readable } from '@blyan/chain/json';
import type { SourceRange, StoredFormat } from '@blyan/chain/types';
import type { TensorDetails } from '@blyan/protocol/explorer';
import { Waypoints } from 'lucide-react';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { Fact, Facts } from '@/components/explorer/facts';
import { type OwnAnswer, OwnAnswers } from '@/components/explorer/own-answers';
import { Section } from '@/components/explorer/section';
import { Hash } from '@/components/hash';
import { VerifyPanel } from '@/components/verify/verify-panel';
import { blockHref, lineageHref, modelHref } from '@/lib/explorer-links';
import { formatCount } from '@/lib/format';
import { ChunkPanel } from './chunk-panel';
import { TensorView } from './tensor-view';

interface TensorPageProps {
  tensor: TensorDetails;
  /** Answers of the reader's own that used it. */
  own: OwnAnswer[];
  genesis: string | null;
}

export function TensorPage({ tensor, own, genesis }: TensorPageProps) {
  const { name, root, shape, format, byteLength, recipe, block, chunks } = tensor;
  const stored = { name, root, shape, format: format as StoredFormat, byteLength, recipe };
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h1 className="min-w-0 text-xl font-semibold tracking-tight break-all">{name}</h1>
        <Link
          className="link inline-flex items-center gap-1.5 text-sm"
          href={lineageHref({ tensor: root })}
        >
          <Waypoints aria-hidden className="size-4" /> Lineage
        </Link>
      </div>
      <p className="mt-2">
        <Hash value={root} full label="root" />
      </p>
      <div className="mt-6">
        <VerifyPanel
          label="Verify this tensor"
          target={{ kind: 'tensor', root, block }}
          genesis={genesis}
        />
      </div>
      <Section title="Values">
        <TensorView tensor={stored} />
      </Section>
      <Section title="Descriptor">
        <TensorFacts tensor={tensor} />
      </Section>
      <Section title="Where it is used">
        <Uses tensor={tensor} />
      </Section>
      <Section title="Your answers that used it">
        <OwnAnswers own={own} label="Your answers that used it">
          None of the conversations of this browser has an answer of these models.
        </OwnAnswers>
      </Section>
      {chunks > 1 && (
        <Section title="Chunks">
          <ChunkPanel root={root} block={block} byteLength={byteLength} genesis={genesis} />
        </Section>
      )}
    </>
  );
}

function TensorFacts({ tensor }: { tensor: TensorDetails }) {
  const { shape, dtype, format, role, parameters, byteLength, recipe, chunks, root } = tensor;
  const source = tensor.source as Readable<SourceRange> & { scales?: Readable<SourceRange> };
  return (
    <Facts>
      <Fact name="Shape">
        <span className="font-mono text-[0.8125rem]">{shape.join(' × ') || 'scalar'}</span>{' '}
        <span className="text-faint">{formatCount(parameters)} weights</span>
      </Fact>
      <Fact
        name="Format"
        hint="How it is stored on the chain, and the type it had in the checkpoint."
      >
        {format}
        {format !== dtype && <span className="text-faint"> from {dtype}</span>}
      </Fact>
      <Fact name="Role">{role}</Fact>
      <Fact name="Size">
        <span className="flex flex-wrap gap-x-3">
          <Bytes value={byteLength} />
          <span className="text-faint">
            {((8 * byteLength) / parameters).toFixed(2)} bits a weight, {formatCount(chunks)}{' '}
            {chunks === 1 ? 'chunk' : 'chunks'}
          </span>
          <a className="link" href={`/blobs/${root}`} download={`${root}.bin`}>
            Download
          </a>
        </span>
      </Fact>
      <Fact name="Recipe" hint="How the source's weights became the stored ones.">
        {recipe.name}, version {recipe.version}
      </Fact>
      <Fact name="Source" hint="Bytes of the checkpoint file with this SHA-256.">
        <SourceText range={source} />
      </Fact>
      {source.scales && (
        <Fact name="Source of scales">
          <SourceText range={source.scales} />
        </Fact>
      )}
    </Facts>
  );
}

function SourceText({ range }: { range: Readable<SourceRange> }) {
  return (
    <span className="flex flex-wrap items-center gap-x-3">
      <Hash value={range.file} label="SHA-256 of the source file" />
      <span className="tabular-nums">
        bytes {formatCount(range.offset)} to {formatCount(range.offset + range.length - 1)}
      </span>
      <span className="inline-flex items-center gap-1.5 text-faint">
        root <Hash value={range.root} label="root of the source bytes" />
      </span>
    </span>
  );
}

function Uses({ tensor }: { tensor: TensorDetails }) {
  const { uses, moreUses, models, moreModels, answers } = tensor;
  return (
    <Facts>
      <Fact name="Layer blocks">
        <ul className="space-y-1">
          {uses.map((use) => (
            <li key={use.block} className="flex flex-wrap items-center gap-x-3">
              <Link className="link" href={blockHref('B', use.block)}>
                B {use.height}
              </Link>
              <span>{use.group}</span>
              <Hash value={use.block} label="layer block" />
            </li>
          ))}
        </ul>
        {moreUses && (
          <p className="text-faint">
            Older blocks hold it, too:{' '}
            <a className="link" href={`/tensors/${tensor.root}/uses?format=csv`} download>
              all of them as CSV
            </a>
          </p>
        )}
      </Fact>
      <Fact name="Models">
        {models.length === 0 ? (
          <span className="text-faint">none: its layer blocks are in no model</span>
        ) : (
          <ul className="space-y-1">
            {models.map((model) => (
              <li key={model.hash} className="flex flex-wrap items-center gap-x-3">
                <Link className="link" href={modelHref(model.hash)}>
                  {model.name}
                </Link>
                <Hash value={model.hash} label="model block" />
                <span className="text-soft">
                  {model.layer.group}, block{' '}
                  <Link className="link" href={blockHref('B', model.layer.block)}>
                    B {model.layer.height}
                  </Link>
                </span>
                {model.retired !== null && <span className="text-warn">retired</span>}
              </li>
            ))}
          </ul>
        )}
        {moreModels && <p className="text-faint">Older models have it, too.</p>}
      </Fact>
      <Fact
        name="Answers"
        hint="Which ones is told to nobody but those who asked: who knows the address of an answer may read it."
      >
        {answers.count === 0
          ? 'none yet'
          : `${formatCount(answers.count)}${answers.more ? ' and more' : ''} of these models`}
      </Fact>
    </Facts>
  );
}
