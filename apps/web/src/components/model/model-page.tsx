import type { Readable } from '@blyan/chain/json';
import type { ModelBody } from '@blyan/chain/types';
import type { ModelDetails, ModelSummary } from '@blyan/protocol/explorer';
import { FileCheck2, Waypoints } from 'lucide-react';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { Fact, Facts } from '@/components/explorer/facts';
import { FileTable } from '@/components/explorer/file-table';
import { Section } from '@/components/explorer/section';
import { Hash } from '@/components/hash';
import { VerifyPanel } from '@/components/verify/verify-panel';
import { blockHref, lineageHref } from '@/lib/explorer-links';
import { formatCount, formatParameters } from '@/lib/format';
import { LISTED_LAYERS } from '@/lib/listed-layers';
import { ConfigView } from './config-view';
import { LayerTree } from './layer-tree';
import { ModelDiff } from './model-diff';
import { PartsChart } from './parts-chart';

interface ModelPageProps {
  model: ModelDetails;
  body: Readable<ModelBody>;
  /** What it can be compared with; `more`: there are others. */
  versions: { others: ModelSummary[]; more: boolean };
  genesis: string | null;
}

export function ModelPage({ model, body, versions, genesis }: ModelPageProps) {
  const { hash, name, height } = model;
  const config = body.files.find(({ path }) => path === 'config.json');
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h1 className="text-xl font-semibold tracking-tight break-all">{name}</h1>
        <nav aria-label="About this model" className="flex flex-wrap gap-4 text-sm">
          <Link
            className="link inline-flex items-center gap-1.5"
            href={lineageHref({ model: hash })}
          >
            <Waypoints aria-hidden className="size-4" /> Lineage
          </Link>
          <Link
            className="link inline-flex items-center gap-1.5"
            href={`/explorer/own-file/${hash}`}
          >
            <FileCheck2 aria-hidden className="size-4" /> Verify your own file
          </Link>
        </nav>
      </div>
      <p className="mt-2">
        <Hash value={hash} full label="model block" />
      </p>
      {model.retired !== null && (
        <p className="mt-2 text-sm text-warn">
          Retired by{' '}
          <Link className="link" href={blockHref('A', model.retired)}>
            block A {model.retired}
          </Link>
          : it serves no new requests.
        </p>
      )}
      <div className="mt-6">
        <VerifyPanel
          label="Verify the whole model"
          target={{ kind: 'model', model: hash }}
          genesis={genesis}
        />
      </div>
      <Section title="Model">
        <Facts>
          <Fact name="Block">
            <Link className="link" href={blockHref('A', hash)}>
              A {height}
            </Link>
          </Fact>
          <Fact name="Family">{model.family}</Fact>
          <Fact name="Weights">
            <span title={formatCount(model.parameters)}>{formatParameters(model.parameters)}</span>{' '}
            <span className="text-faint">in {formatCount(model.tensors)} tensors</span>
          </Fact>
          <Fact name="Stored size">
            <Bytes value={model.bytes} />{' '}
            <span className="text-faint">
              {((8 * model.bytes) / model.parameters).toFixed(2)} bits a weight
            </span>
          </Fact>
          <Fact name="Recipe" hint="How source weights became the stored ones.">
            {body.recipe.name}, version {body.recipe.version}
          </Fact>
          <Fact name="Source">
            {body.source.repository ?? 'a local directory'}
            {body.source.revision && <span className="text-faint"> at {body.source.revision}</span>}
          </Fact>
        </Facts>
      </Section>
      <Section title="Weights by part">
        <PartsChart parts={model.parts} />
      </Section>
      <Section title="Layers and tensors">
        <LayerTree
          hash={hash}
          first={model.groups.slice(0, LISTED_LAYERS)}
          count={model.groups.length}
          formats={[...new Set(model.parts.map(({ format }) => format))].sort()}
        />
      </Section>
      <Section title="Compare with another version">
        <ModelDiff hash={hash} {...versions} />
      </Section>
      <Section title="Configuration">
        {config ? <ConfigView root={config.root} /> : <p className="text-sm">It has none.</p>}
      </Section>
      <Section title="Files">
        <FileTable
          files={body.files}
          note="Kept beside the chain by their Merkle root, and read by whoever serves the model."
        />
      </Section>
      <Section title="Source files">
        <FileTable
          files={body.source.files}
          note="The checkpoint that the blocks were made from."
        />
      </Section>
    </>
  );
}
