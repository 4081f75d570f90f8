import { Field as Base } from '@base-ui/react/field';
import type { ComponentProps, ReactNode } from 'react';

export const inputClass =
  'h-9 w-full min-w-0 rounded-md border border-line-strong bg-surface px-2.5 text-sm text-ink placeholder:text-faint data-[invalid]:border-bad any-pointer-coarse:text-base';

interface FieldProps extends ComponentProps<typeof Base.Control> {
  label: string;
  hint?: ReactNode;
  /** What is wrong with it, as the server says. */
  error?: string | null;
}

/** A labelled line of text. */
export function Field({ label, hint, error, className = '', ...control }: FieldProps) {
  return (
    <Base.Root invalid={Boolean(error)} className="grid gap-1">
      <Base.Label className="text-sm font-medium">{label}</Base.Label>
      <Base.Control className={`${inputClass} ${className}`} {...control} />
      {error ? (
        <Base.Error match className="text-[0.8125rem] text-bad">
          {error}
        </Base.Error>
      ) : (
        hint && <Base.Description className="text-[0.8125rem] text-faint">{hint}</Base.Description>
      )}
    </Base.Root>
  );
}

interface SelectProps extends ComponentProps<'select'> {
  label: string;
  /** Seen by screen readers only. */
  quiet?: boolean;
  options: readonly (readonly [value: string, text: string])[];
}

export function Select({ label, quiet = false, options, className = '', ...rest }: SelectProps) {
  return (
    <label className="grid gap-1">
      <span className={quiet ? 'sr-only' : 'text-sm font-medium'}>{label}</span>
      <select className={`${inputClass} ${className}`} {...rest}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
