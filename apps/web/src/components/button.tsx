import type { ComponentProps } from 'react';

const KINDS = {
  plain: 'border border-line-strong bg-surface text-ink hover:bg-sunken',
  accent: 'bg-accent text-accent-ink hover:opacity-90',
  bad: 'bg-bad text-page hover:opacity-90',
} as const;

interface ButtonProps extends ComponentProps<'button'> {
  kind?: keyof typeof KINDS;
}

export function Button({ kind = 'plain', className = '', ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={`inline-flex items-center justify-center gap-1.5 rounded-md px-3 py-1.5 text-sm font-medium disabled:opacity-50 ${KINDS[kind]} ${className}`}
    />
  );
}
