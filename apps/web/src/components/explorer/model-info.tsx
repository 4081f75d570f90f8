import type { Readable } from '@blyan/chain/json';
import type { ModelBody } from '@blyan/chain/types';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { Hash } from '@/components/hash';
import { blockHref } from '@/lib/explorer-links';
import { formatCount, formatParameters } from '@/lib/format';
import { Fact, Facts } from './facts';
import { Section } from './section';

interface ModelInfoProps {
  body: Readable<ModelBody>;
  heights: Map<string, number>;
}

export function ModelInfo({ body, heights }: ModelInfoProps) {
  const { source, recipe } = body;
  return (
    <>
      <Section title="Model">
        <Facts>
          <Fact name="Name">{body.name}</Fact>
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
              {body.layers.map(({ group, block }) => (
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
      </Section>
      <Section title="Files">
        <Files
          files={body.files}
          note="Kept beside the chain by their Merkle root, and read by whoever serves the model."
        />
      </Section>
      <Section title="Source files">
        <Files files={source.files} note="The checkpoint that the blocks were made from." />
      </Section>
    </>
  );
}

interface FileRow {
  path: string;
  byteLength: number;
  sha256: string;
  root?: string;
}

function Files({ files, note }: { files: FileRow[]; note: string }) {
  return (
    <>
      <p className="mb-1 text-sm text-soft">{note}</p>
      <div className="overflow-x-auto">
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">Path</th>
              <th scope="col" className="!text-right">
                Size
              </th>
              <th scope="col">SHA-256</th>
              {files[0]?.root && <th scope="col">Root</th>}
            </tr>
          </thead>
          <tbody>
            {files.map(({ path, byteLength, sha256, root }) => (
              <tr key={path}>
                <td className="font-mono text-[0.8125rem]">
                  {root ? (
                    <a className="link" href={`/blobs/${root}`} download={path.split('/').at(-1)}>
                      {path}
                    </a>
                  ) : (
                    path
                  )}
                </td>
                <td className="text-right text-soft">
                  <Bytes value={byteLength} />
                </td>
                <td>
                  <Hash value={sha256} label={`SHA-256 of ${path}`} />
                </td>
                {root && (
                  <td>
                    <Hash value={root} label={`root of ${path}`} />
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
