import { stripeHues } from '@/lib/hash';

/** Five bars of colour made from the first bytes of a hash. Decoration: the hash is beside it. */
export function Stripe({ hash, className = 'h-3 w-4' }: { hash: string; className?: string }) {
  return (
    <span aria-hidden className={`inline-flex shrink-0 overflow-hidden rounded-[2px] ${className}`}>
      {stripeHues(hash).map((hue, i) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: bars have no identity but their place
          key={i}
          className="flex-1"
          style={{ background: `oklch(var(--stripe-light) 0.13 ${hue})` }}
        />
      ))}
    </span>
  );
}
