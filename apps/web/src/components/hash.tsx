import Link from 'next/link';
import { shortHash } from '@/lib/hash';
import { CopyButton } from './copy-button';
import { Stripe } from './stripe';

interface HashProps {
  /** Lowercase hex. */
  value: string;
  href?: string;
  /** The whole hash, wrapping where it must. */
  full?: boolean;
  copy?: boolean;
  /** What it is the hash of, for screen readers. */
  label?: string;
}

export function Hash({ value, href, full = false, copy = true, label = 'hash' }: HashProps) {
  const text = (
    <span title={value} className={full ? 'break-all' : 'whitespace-nowrap'}>
      {full ? value : shortHash(value)}
    </span>
  );
  return (
    <span className="group/hash inline-flex max-w-full items-center gap-1.5 font-mono text-[0.8125rem]">
      <Stripe hash={value} />
      {href ? (
        <Link href={href} className="link">
          {text}
        </Link>
      ) : (
        text
      )}
      {copy && <CopyButton text={value} of={label} quiet />}
    </span>
  );
}
