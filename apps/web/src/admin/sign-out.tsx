'use client';

import { authPost } from './auth-client';

export function SignOut() {
  const signOut = async () => {
    await authPost('sign-out');
    location.assign('/admin/sign-in');
  };
  return (
    <button
      type="button"
      onClick={signOut}
      className="rounded-md px-2.5 py-1.5 text-faint hover:text-ink"
    >
      Sign out
    </button>
  );
}
