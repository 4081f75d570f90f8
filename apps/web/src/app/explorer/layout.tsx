import type { ReactNode } from 'react';
import { EnglishMain } from '@/components/english-main';
import { SearchBox } from '@/components/search/search-box';

export default function ExplorerLayout({ children }: { children: ReactNode }) {
  return (
    <EnglishMain className="mx-auto w-full max-w-6xl flex-1 px-4 pt-5 pb-12 sm:px-6">
      <div className="mb-6">
        <SearchBox />
      </div>
      {children}
    </EnglishMain>
  );
}
