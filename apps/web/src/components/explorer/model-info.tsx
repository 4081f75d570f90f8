import type { Readable } from '@blyan/chain/json';
import type { ModelBody } from '@blyan/chain/types';
import Link from 'next/link';
import { Hash } from '@/components/hash';
import { blockHref, modelHref } from '@/lib/explorer-links';
import { formatCount, formatParameters } from '@/lib/format';
import { LISTED_LAYERS } from '@/lib/listed-layers';
import { Fact, Facts } from './facts';
import { FileTable } from './file-table';
import { Section } from './section';

interface ModelInfoProps {
  /** Of the block. */
  hash: string;
  body: Readable<ModelBody>;
  heights: Map<string, number>;
}

export function ModelInfo({ hash, body, heights }: ModelInfoProps) {
  const { source, recipe } = body;
  return (
    <>
      <Section title="Model">
        <Facts>
          <Fact name="Name">
            <Link className="link" href={modelHref(hash)}>
              {body.name}
            </Link>
          </Fact>
          <Fact name="Family">{body.family}</Fact>
          <Fact name="Weights">
            <span title={formatCount(body.parameters)}>{formatParameters(body.parameters)}</span>
          </Fact>
          <Fact name="Recipe" hint="How source weights became the stored ones.">
            {recipe.name}, version {recipe.version}
          </Fact>
          <Fact name="Source">
            {source.repository ?? 'a local directory'}
            {source.revision && <span className="text-faint"> at {source.revision}</span>}
          </Fact>
        </Facts>
      </Section>
      <Section title="Layer blocks">
        <div className="overflow-x-auto">
          <table className="data-table">
            <thead>
              <tr>
                <th scope="col">Group</th>
                <th scope="col" className="!text-right">
                  Height
                </th>
                <th scope="col">Block</th>
              </tr>
            </thead>
            <tbody>
              {body.layers.slice(0, LISTED_LAYERS).map(({ group, block }) => (
                <tr key={group}>
                  <td>{group}</td>
                  <td className="text-right">
                    <Link className="link" href={blockHref('B', block)}>
                      {heights.get(block) ?? 'not here'}
                    </Link>
                  </td>
                  <td>
                    <Hash value={block} label={`block of ${group}`} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {body.layers.length > LISTED_LAYERS && (
          <p className="mt-2 text-sm text-faint">
            And {formatCount(body.layers.length - LISTED_LAYERS)} more, all of them on{' '}
            <Link className="link" href={modelHref(hash)}>
              the page of the model
            </Link>
            .
          </p>
        )}
      </Section>
      <Section title="Files">
        <FileTable
          files={body.files}
          note="Kept beside the chain by their Merkle root, and read by whoever serves the model."
        />
      </Section>
      <Section title="Source files">
        <FileTable files={source.files} note="The checkpoint that the blocks were made from." />
      </Section>
    </>
  );
}
