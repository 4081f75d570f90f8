import Link from 'next/link';
import type { Dictionary } from '@/lib/i18n/en';
import { LanguageToggle } from './language-toggle';
import { NavLink } from './nav-link';
import { Stripe } from './stripe';
import { ThemeToggle } from './theme-toggle';

/** The mark is the stripe of this network's genesis: another network looks different. */
interface HeaderProps {
  genesis: string | null;
  words: Dictionary['header'];
}

export function Header({ genesis, words }: HeaderProps) {
  return (
    <header className="sticky top-0 z-20 border-b bg-page">
      <div className="mx-auto flex h-13 max-w-6xl items-center gap-3 px-3 sm:gap-5 sm:px-6">
        <Link
          href="/"
          className="flex items-center gap-2 font-semibold tracking-tight"
          title={genesis ? `Genesis ${genesis}` : undefined}
        >
          {genesis && <Stripe hash={genesis} className="h-4 w-5" />}
          Blyan
        </Link>
        <nav aria-label={words.main} className="flex items-center gap-1 text-sm">
          <NavLink href="/" exact>
            {words.chat}
          </NavLink>
          <NavLink href="/explorer">{words.explorer}</NavLink>
          <NavLink href="/docs">API</NavLink>
        </nav>
        <div className="ml-auto flex items-center gap-1">
          <LanguageToggle />
          <ThemeToggle />
        </div>
      </div>
    </header>
  );
}
