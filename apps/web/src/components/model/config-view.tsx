'use client';

import { useQuery } from '@tanstack/react-query';
import { SkeletonRows } from '@/components/empty';
import { ScrollArea } from '@/components/scroll-area';
import { FOREVER } from '@/lib/rest';

type Config = Record<string, unknown>;

/** Fields that say what the model is, in this order; the file has the others. */
const MAIN: Record<string, string> = {
  model_type: 'Architecture',
  hidden_size: 'Hidden size',
  num_hidden_layers: 'Layers',
  num_attention_heads: 'Attention heads',
  num_key_value_heads: 'Key and value heads',
  head_dim: 'Size of a head',
  intermediate_size: 'Size of the MLP',
  vocab_size: 'Vocabulary',
  max_position_embeddings: 'Longest context',
  rope_theta: 'RoPE theta',
  rms_norm_eps: 'RMS norm epsilon',
  tie_word_embeddings: 'Head tied to the embedding',
  sliding_window: 'Sliding window',
};

/** The checkpoint's config.json, whose exact bytes are on the chain by hash. */
export function ConfigView({ root }: { root: string }) {
  const config = useQuery({
    queryKey: ['blob-json', root],
    queryFn: async ({ signal }) => {
      const response = await fetch(`/blobs/${root}`, { signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return (await response.json()) as Config;
    },
    // What is wrong under its hash stays wrong.
    retry: false,
    ...FOREVER,
  });
  if (config.isPending) return <SkeletonRows />;
  if (config.isError) {
    return (
      <p role="alert" className="text-sm text-bad">
        config.json could not be read.{' '}
        <button type="button" className="link" onClick={() => void config.refetch()}>
          Try again
        </button>
      </p>
    );
  }
  const main = Object.entries(MAIN).filter(([key]) => config.data[key] !== undefined);
  return (
    <>
      <dl className="grid gap-x-8 gap-y-1 text-sm sm:grid-cols-2">
        {main.map(([key, name]) => (
          <div key={key} className="flex justify-between gap-4 border-b py-1">
            <dt className="text-faint" title={key}>
              {name}
            </dt>
            <dd className="tabular-nums">{text(config.data[key])}</dd>
          </div>
        ))}
      </dl>
      <details className="mt-3 text-sm">
        <summary className="text-soft hover:text-ink">The whole of config.json</summary>
        <ScrollArea label="config.json">
          <pre className="mt-2 rounded-md border bg-sunken p-3 font-mono text-[0.8125rem]">
            {JSON.stringify(config.data, null, 2)}
          </pre>
        </ScrollArea>
      </details>
    </>
  );
}

function text(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
