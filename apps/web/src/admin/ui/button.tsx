import type { ComponentProps } from 'react';

const KINDS = {
  primary: 'bg-accent text-accent-ink hover:bg-accent/90',
  plain: 'border border-line-strong bg-surface text-ink hover:bg-sunken',
  danger: 'border border-bad/40 bg-surface text-bad hover:bg-bad-wash',
} as const;

interface ButtonProps extends ComponentProps<'button'> {
  kind?: keyof typeof KINDS;
}

const buttonClass = (kind: keyof typeof KINDS = 'plain') =>
  `inline-flex h-8 items-center justify-center gap-1.5 whitespace-nowrap rounded-md px-3 text-sm disabled:opacity-50 ${KINDS[kind]}`;

export function Button({ kind = 'plain', type = 'button', className = '', ...rest }: ButtonProps) {
  return <button type={type} className={`${buttonClass(kind)} ${className}`} {...rest} />;
}
