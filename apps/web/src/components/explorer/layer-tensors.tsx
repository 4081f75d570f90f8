import type { Readable } from '@blyan/chain/json';
import type { LayerBody } from '@blyan/chain/types';
import { Bytes } from '@/components/bytes';
import { Hash } from '@/components/hash';
import { formatBytes, formatCount } from '@/lib/format';
import { Section } from './section';

export function LayerTensors({ body: { group, tensors } }: { body: Readable<LayerBody> }) {
  const total = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return (
    <Section title={`Tensors of ${group}`}>
      <p className="mb-1 text-sm text-soft">
        {formatCount(tensors.length)} tensors, {formatBytes(total)}. Each root covers chunks of 1
        MiB; the link downloads the stored bytes.
      </p>
      <div className="overflow-x-auto">
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Role</th>
              <th scope="col">Shape</th>
              <th scope="col">Format</th>
              <th scope="col" className="!text-right">
                Size
              </th>
              <th scope="col" className="!text-right">
                Chunks
              </th>
              <th scope="col">Root</th>
              <th scope="col">Source file</th>
            </tr>
          </thead>
          <tbody>
            {tensors.map((tensor) => (
              <tr key={tensor.name}>
                <td className="font-mono text-[0.8125rem]">{tensor.name}</td>
                <td>{tensor.role}</td>
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
                </td>
                <td className="text-right text-soft">
                  {Math.ceil(tensor.byteLength / tensor.leafSize)}
                </td>
                <td>
                  <Hash
                    value={tensor.root}
                    href={`/blobs/${tensor.root}`}
                    label={`root of ${tensor.name}`}
                  />
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
      </div>
    </Section>
  );
}
