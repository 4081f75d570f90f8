import type { Subject } from '@blyan/chain/walk';
import { shortHash } from '@/lib/hash';

/** What a step is about, in one line. */
export function SubjectText({ subject }: { subject: Subject }) {
  const { chain, height, hash, size, model, group, tensor, file, root, chunk } = subject;
  const parts = [
    model && `model ${model}`,
    tensor ?? file,
    !tensor && !file && group,
    chunk !== undefined && `chunk ${chunk}`,
    !tensor && !file && root && `root ${shortHash(root)}`,
    chain && (height === undefined ? `chain ${chain}` : `block ${chain} ${height}`),
    size !== undefined && `${size} blocks`,
    hash && shortHash(hash),
  ];
  return <span>{parts.filter(Boolean).join(' · ') || '–'}</span>;
}
