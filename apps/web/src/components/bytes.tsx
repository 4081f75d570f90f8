import { formatBytes, formatCount } from '@/lib/format';

export function Bytes({ value }: { value: number }) {
  return (
    <span className="tabular-nums" title={`${formatCount(value)} bytes`}>
      {formatBytes(value)}
    </span>
  );
}
