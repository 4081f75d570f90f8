import type { Readable } from '@blyan/chain/json';
import type { LayerBody } from '@blyan/chain/types';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { Hash } from '@/components/hash';
import { ScrollArea } from '@/components/scroll-area';
import { tensorHref } from '@/lib/explorer-links';
import { formatBytes, plural } from '@/lib/format';
import { Section } from './section';

export function LayerTensors({ body: { group, tensors } }: { body: Readable<LayerBody> }) {
  const total = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return (
    <Section title={`Tensors of ${group}`}>
      <p className="mb-1 text-sm text-soft">
        {plural(tensors.length, 'tensor')}, {formatBytes(total)}. Each root covers chunks of 1 MiB.
      </p>
      <ScrollArea label="Tensors">
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Shape</th>
              <th scope="col">Format</th>
              <th scope="col" className="!text-right">
                Size
              </th>
              <th scope="col">Root</th>
              <th scope="col">Source file</th>
            </tr>
          </thead>
          <tbody>
            {tensors.map((tensor) => (
              <tr key={tensor.name}>
                <td>
                  <Link
                    href={tensorHref(tensor.root)}
                    className="link block font-mono text-[0.8125rem]"
                  >
                    {tensor.name}
                  </Link>
                  <span className="text-[0.8125rem] text-faint">{tensor.role}</span>
                </td>
                <td className="font-mono text-[0.8125rem]">
                  {tensor.shape.join(' × ') || 'scalar'}
                </td>
                <td>
                  {tensor.format}
                  {tensor.format !== tensor.dtype && (
                    <span className="text-faint"> from {tensor.dtype}</span>
                  )}
                </td>
                <td className="text-right text-soft">
                  <Bytes value={tensor.byteLength} />
                  <span className="block text-[0.8125rem] text-faint">
                    {plural(Math.ceil(tensor.byteLength / tensor.leafSize), 'chunk')}
                  </span>
                </td>
                <td>
                  <Hash value={tensor.root} label={`root of ${tensor.name}`} />
                </td>
                <td>
                  <span
                    title={`bytes ${tensor.source.offset} to ${tensor.source.offset + tensor.source.length}`}
                  >
                    <Hash value={tensor.source.file} copy={false} label="source file" />
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
    </Section>
  );
}
