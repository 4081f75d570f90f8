'use client';

import { useEffect, useState } from 'react';
import { Command } from './command';

/** A request to this server, under the address by which the reader came here. */
export function CurlCommand({ path }: { path: string }) {
  const [origin, setOrigin] = useState('');
  useEffect(() => setOrigin(location.origin), []);
  return <Command>{`curl -s ${origin}${path}`}</Command>;
}
