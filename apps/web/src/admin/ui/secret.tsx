import { CopyButton } from '@/components/copy-button';

/** What is to be copied whole, and therefore seen whole: it wraps where a command would scroll. */
export function Secret({ children }: { children: string }) {
  return (
    <div className="flex items-start gap-2 rounded-md border bg-sunken py-1 pr-1 pl-3">
      <code className="min-w-0 flex-1 py-1.5 font-mono text-[0.8125rem] break-all whitespace-pre-wrap">
        {children}
      </code>
      <CopyButton text={children} label="Copy" />
    </div>
  );
}
