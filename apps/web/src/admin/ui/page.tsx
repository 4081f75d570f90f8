import { Search } from 'lucide-react';
import type { ReactNode } from 'react';
import { inputClass } from './field';

interface PageHeadProps {
  title: string;
  children?: ReactNode;
  /** Buttons. */
  actions?: ReactNode;
}

export function PageHead({ title, children, actions }: PageHeadProps) {
  return (
    <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
      <div className="min-w-0">
        <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
        {children && <p className="mt-1 max-w-prose text-sm text-soft">{children}</p>}
      </div>
      {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
    </div>
  );
}

interface SearchFieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

export function SearchField({ label, value, onChange }: SearchFieldProps) {
  return (
    <label className="relative min-w-0 flex-1 sm:max-w-72">
      <span className="sr-only">{label}</span>
      <Search aria-hidden className="absolute top-2.5 left-2.5 size-4 text-faint" />
      <input
        type="search"
        value={value}
        placeholder={label}
        onChange={(event) => onChange(event.target.value)}
        className={`${inputClass} pl-8`}
      />
    </label>
  );
}

export function TableSkeleton() {
  return (
    <div role="status" aria-label="Loading" className="mt-6 space-y-3">
      {['one', 'two', 'three', 'four', 'five', 'six'].map((key) => (
        <div key={key} className="skeleton h-9 w-full" />
      ))}
    </div>
  );
}

/** Where there is nothing: what would be here. */
export function Empty({ children }: { children: ReactNode }) {
  return <div className="mt-6 max-w-2xl space-y-3 text-sm text-soft">{children}</div>;
}
