/** So many are seen at once; a request may name 300. */
const FEW = 8;

/** Token ids, and what was said about each. */
export function TokenList({ entries }: { entries: string[] }) {
  const text = (part: string[]) => (
    <span className="font-mono text-[0.8125rem] break-words">{part.join(', ')}</span>
  );
  if (entries.length <= FEW) return text(entries);
  return (
    <details>
      <summary className="text-soft hover:text-ink">{entries.length} tokens</summary>
      {text(entries)}
    </details>
  );
}
