'use client';

import type { ReactNode } from 'react';
import { Hash } from '@/components/hash';
import { ScrollArea } from '@/components/scroll-area';
import { State } from '@/components/state';
import { formatBytes, formatCount, formatDuration, plural } from '@/lib/format';
import type { TensorResult } from '@/own-file/messages';
import type { OwnFileState } from './use-own-file';

export function OwnFileResults({ state }: { state: OwnFileState }) {
  const { results, end, file } = state;
  if (results.length === 0 && !end) return null;
  const first = results.filter((result) => FIRST.has(result.state));
  const others = results.filter((result) => !FIRST.has(result.state));
  return (
    <div className="mt-4 text-sm">
      {end && file && <Conclusion state={state} />}
      <ScrollArea label="Tensors of your file">
        <table className="data-table mt-3" data-testid="own-file-tensors">
          <thead>
            <tr>
              <th scope="col">Tensor</th>
              <th scope="col" className="hidden !text-right sm:table-cell">
                Size
              </th>
              <th scope="col">State</th>
              <th scope="col">Root of its bytes</th>
              <th scope="col">Root by the recipe</th>
            </tr>
          </thead>
          <tbody>
            {[...first, ...others].map((result) => (
              <Line key={result.name} result={result} />
            ))}
          </tbody>
        </table>
      </ScrollArea>
    </div>
  );
}

/** States that a reader looks for, before all others. */
const FIRST: ReadonlySet<TensorResult['state']> = new Set(['refused', 'differs', 'partly']);

function Conclusion({ state }: { state: OwnFileState }) {
  const { end, results, file } = state;
  if (!end || !file) return null;
  const of = (wanted: TensorResult['state']) => results.filter((result) => result.state === wanted);
  const [refused, differ, partly] = [of('refused'), of('differs'), of('partly')];
  const same = of('same').length;
  const equal = end.recorded?.sha256 === end.sha256;
  const broken = refused.length + differ.length > 0;
  const good = equal && !broken && partly.length === 0 && end.missing.length === 0;
  return (
    <div role="status" data-testid="own-file-verdict" data-good={good} className="space-y-1">
      {refused.length > 0 && (
        <Verdict kind="bad">
          {plural(refused.length, 'tensor')} cannot have been imported: {namesOf(refused)}
        </Verdict>
      )}
      {differ.length > 0 && (
        <Verdict kind="bad">
          {plural(differ.length, 'tensor')} {differ.length === 1 ? 'differs' : 'differ'}:{' '}
          {namesOf(differ)}
        </Verdict>
      )}
      {good ? (
        <Verdict kind="good">the blocks were made from this file</Verdict>
      ) : broken ? null : same + partly.length === 0 ? (
        <Verdict kind="bad">no tensor of this file is one of the model</Verdict>
      ) : partly.length > 0 ? (
        <Verdict kind="warn">
          its tensors are those that were imported, but the recipe of{' '}
          {plural(partly.length, 'tensor')} was not run again: {namesOf(partly)}
        </Verdict>
      ) : (
        <Verdict kind="warn">
          every tensor is the same, but the file as a whole is another one
        </Verdict>
      )}
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

function Verdict({ kind, children }: { kind: 'good' | 'warn' | 'bad'; children: ReactNode }) {
  return (
    <p className="font-medium">
      <State kind={kind}>{children}</State>
    </p>
  );
}

const namesOf = (results: readonly TensorResult[]): string =>
  results
    .slice(0, 3)
    .map(({ name }) => name)
    .join(', ') + (results.length > 3 ? ' and others' : '');

const STATES = {
  same: ['good', 'same'],
  partly: ['warn', 'same bytes, recipe not run'],
  refused: ['bad', 'cannot have been imported'],
  differs: ['bad', 'differs'],
  unused: ['open', 'not of the model'],
} as const;

function Line({ result }: { result: TensorResult }) {
  const [kind, word] = STATES[result.state];
  return (
    <tr>
      {/* On a phone the state is to be seen beside the name. */}
      <td className="font-mono text-[0.8125rem] max-sm:min-w-40 max-sm:break-all max-sm:whitespace-normal">
        {result.name}
      </td>
      <td className="hidden text-right text-soft sm:table-cell">{formatBytes(result.bytes)}</td>
      <td>
        <State kind={kind}>{word}</State>
        {result.note && (
          <span className="block max-w-80 min-w-36 text-[0.8125rem] whitespace-normal text-soft">
            {result.note}
          </span>
        )}
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
