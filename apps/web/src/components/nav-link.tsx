'use client';

import Link from 'next/link';
import { usePathname } from 'next/navigation';
import type { ReactNode } from 'react';

interface NavLinkProps {
  href: string;
  exact?: boolean;
  children: ReactNode;
}

export function NavLink({ href, exact = false, children }: NavLinkProps) {
  const path = usePathname();
  // Conversations are part of the chat at the root.
  const here = exact ? path === href || path.startsWith('/c/') : path.startsWith(href);
  return (
    <Link
      href={href}
      aria-current={here ? 'page' : undefined}
      className={`rounded-md px-1.5 py-1.5 sm:px-2.5 hover:text-ink ${here ? 'font-medium text-ink' : 'text-faint'}`}
    >
      {children}
    </Link>
  );
}
