import type { Readable } from '@blyan/chain/json';
import type { ModelBody } from '@blyan/chain/types';
import Link from 'next/link';
import { FileTable } from '@/components/explorer/file-table';
import { Section } from '@/components/explorer/section';
import { modelHref } from '@/lib/explorer-links';
import { OwnFile } from './own-file';

interface OwnFilePageProps {
  model: { hash: string } & Pick<Readable<ModelBody>, 'name' | 'source' | 'recipe'>;
  genesis: string | null;
}

export function OwnFilePage({ model, genesis }: OwnFilePageProps) {
  const { hash, name, source, recipe } = model;
  const shards = source.files.filter(({ path }) => path.endsWith('.safetensors'));
  return (
    <>
      <h1 className="text-xl font-semibold tracking-tight">Verify your own file</h1>
      <p className="mt-1 mb-6 max-w-prose text-soft">
        The blocks of{' '}
        <Link className="link" href={modelHref(hash)}>
          {name}
        </Link>{' '}
        say from which files they were made, and by which recipe ({recipe.name}, version{' '}
        {recipe.version}). Choose a safetensors file that you have: your browser hashes it, runs the
        recipe again over each of its tensors, and compares the roots with those on the chain. The
        file stays on your machine.
      </p>
      <OwnFile model={hash} genesis={genesis} />
      <Section title="Recorded files">
        <FileTable files={shards} note="The weight files that the blocks were made from." />
      </Section>
    </>
  );
}
