import type { Metadata } from 'next';
import { redirect } from 'next/navigation';
import { SignIn } from '@/admin/access/sign-in';
import { Command } from '@/components/command';
import { EnglishMain } from '@/components/english-main';
import { Problem } from '@/components/problem';
import { hasAdmins, pageSession } from '@/server/admin/page';
import { context } from '@/server/context';

export const metadata: Metadata = { title: 'Sign in' };
export const dynamic = 'force-dynamic';

const HOME = '/admin/nodes';

export default async function SignInPage() {
  const enabled = context().auth !== null;
  if (enabled && (await pageSession())) redirect(HOME);
  return (
    <EnglishMain className="mx-auto w-full max-w-sm flex-1 px-4 py-12">
      <h1 className="text-xl font-semibold tracking-tight">Sign in</h1>
      <p className="mt-1 text-sm text-soft">For admins of this main node.</p>
      {!enabled ? <Disabled /> : (await hasAdmins()) ? <SignIn next={HOME} /> : <NoAdmin />}
    </EnglishMain>
  );
}

function Disabled() {
  return (
    <div className="mt-6 space-y-3 text-sm">
      <Problem title="Nobody can sign in here.">
        <p>
          The web app has no secret for sessions. Set BETTER_AUTH_SECRET to the output of this
          command and start it again:
        </p>
      </Problem>
      <Command>openssl rand -hex 32</Command>
    </div>
  );
}

function NoAdmin() {
  return (
    <div className="mt-6 space-y-3 text-sm text-soft">
      <p>
        There is no admin yet. The start of the main node prints a one-time link by which the first
        one sets a password; on the main node this makes another link:
      </p>
      <Command>npm run admin -- admins invite</Command>
    </div>
  );
}
