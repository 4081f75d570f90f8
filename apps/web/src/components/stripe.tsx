import { stripeHues } from '@/lib/hash';

/** Five bars of colour made from the first bytes of a hash. Decoration: the hash is beside it. */
export function Stripe({ hash, className = 'h-3 w-4' }: { hash: string; className?: string }) {
  return (
    <span
      aria-hidden
      className={`inline-block shrink-0 rounded-[2px] ${className}`}
      // One element: pages have hundreds of hashes.
      style={{ background: `linear-gradient(to right, ${bars(hash)})` }}
    />
  );
}

function bars(hash: string): string {
  const hues = stripeHues(hash);
  const share = 100 / hues.length;
  return hues
    .map((hue, i) => `oklch(var(--stripe-light) 0.13 ${hue}) ${i * share}% ${(i + 1) * share}%`)
    .join(', ');
}
