'use client';

import { Hash } from '@/components/hash';
import { ScrollArea } from '@/components/scroll-area';
import { State } from '@/components/state';
import { formatBytes, formatCount, formatDuration } from '@/lib/format';
import type { TensorResult } from '@/own-file/messages';
import type { OwnFileState } from './use-own-file';

export function OwnFileResults({ state }: { state: OwnFileState }) {
  const { results, end, file } = state;
  if (results.length === 0 && !end) return null;
  const differ = results.filter((result) => result.state === 'differs');
  return (
    <div className="mt-4 text-sm">
      {end && file && <Conclusion state={state} differ={differ} />}
      <ScrollArea label="Tensors of your file">
        <table className="data-table mt-3" data-testid="own-file-tensors">
          <thead>
            <tr>
              <th scope="col">Tensor</th>
              <th scope="col" className="!text-right">
                Size
              </th>
              <th scope="col">State</th>
              <th scope="col">Root of its bytes</th>
              <th scope="col">Root by the recipe</th>
            </tr>
          </thead>
          <tbody>
            {[...differ, ...results.filter((result) => result.state !== 'differs')].map(
              (result) => (
                <Line key={result.name} result={result} />
              ),
            )}
          </tbody>
        </table>
      </ScrollArea>
    </div>
  );
}

function Conclusion({ state, differ }: { state: OwnFileState; differ: TensorResult[] }) {
  const { end, results, file } = state;
  if (!end || !file) return null;
  const equal = end.recorded?.sha256 === end.sha256;
  const same = results.filter((result) => result.state === 'same').length;
  const good = equal && differ.length === 0 && end.missing.length === 0;
  return (
    <div role="status" data-testid="own-file-verdict" data-good={good} className="space-y-1">
      <p className="font-medium">
        {good ? (
          <State kind="good">the blocks were made from this file</State>
        ) : differ.length > 0 ? (
          <State kind="bad">
            {formatCount(differ.length)} {differ.length === 1 ? 'tensor differs' : 'tensors differ'}
            :{' '}
            {differ
              .slice(0, 3)
              .map(({ name }) => name)
              .join(', ')}
            {differ.length > 3 && ' and others'}
          </State>
        ) : same === 0 ? (
          <State kind="bad">no tensor of this file is one of the model</State>
        ) : (
          <State kind="warn">
            every tensor is the same, but the file as a whole is another one
          </State>
        )}
      </p>
      <p className="flex flex-wrap items-center gap-x-2 text-soft">
        SHA-256 of your file: <Hash value={end.sha256} label="SHA-256 of your file" />
        {equal
          ? `as recorded for ${end.recorded?.path}.`
          : end.recorded
            ? `where ${end.recorded.path} is recorded with`
            : 'which is recorded for no file of this model.'}
        {!equal && end.recorded && <Hash value={end.recorded.sha256} label="recorded SHA-256" />}
      </p>
      {end.missing.length > 0 && (
        <p className="text-bad">
          It lacks {formatCount(end.missing.length)} tensors of the recorded file:{' '}
          {end.missing.slice(0, 3).join(', ')}
        </p>
      )}
      <p className="text-soft tabular-nums">
        {formatCount(same)} tensors are the same; {formatBytes(file.size)} in{' '}
        {formatDuration(end.ms)}, {(file.size / 1e3 / end.ms).toFixed(1)} MB/s.
      </p>
    </div>
  );
}

const STATES = {
  same: ['good', 'same'],
  differs: ['bad', 'differs'],
  unused: ['open', 'not of the model'],
} as const;

function Line({ result }: { result: TensorResult }) {
  const [kind, word] = STATES[result.state];
  return (
    <tr>
      <td className="font-mono text-[0.8125rem]">{result.name}</td>
      <td className="text-right text-soft">{formatBytes(result.bytes)}</td>
      <td>
        <State kind={kind}>{word}</State>
        {result.note && <span className="block text-[0.8125rem] text-soft">{result.note}</span>}
      </td>
      <td>{result.source && <Roots {...result.source} />}</td>
      <td>{result.stored && <Roots {...result.stored} />}</td>
    </tr>
  );
}

function Roots({ expected, actual }: { expected: string; actual: string }) {
  return (
    <>
      <Hash value={actual} label="root" />
      {actual !== expected && (
        <span className="block text-[0.8125rem] text-faint">
          recorded <Hash value={expected} label="recorded root" />
        </span>
      )}
    </>
  );
}
