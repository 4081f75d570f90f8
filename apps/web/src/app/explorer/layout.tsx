import type { ReactNode } from 'react';
import { SearchBox } from '@/components/search/search-box';

export default function ExplorerLayout({ children }: { children: ReactNode }) {
  return (
    <main id="main" className="mx-auto w-full max-w-6xl flex-1 px-4 pt-5 pb-12 sm:px-6">
      <div className="mb-6">
        <SearchBox />
      </div>
      {children}
    </main>
  );
}
