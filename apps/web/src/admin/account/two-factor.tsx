'use client';

import { useQueryClient } from '@tanstack/react-query';
import { useRouter } from 'next/navigation';
import { type FormEvent, useState } from 'react';
import { toast } from 'sonner';
import { renderSVG } from 'uqr';
import { State } from '@/components/state';
import { useTRPC } from '@/lib/trpc';
import { authPost } from '../auth-client';
import { Button } from '../ui/button';
import { Dialog, DialogButtons } from '../ui/dialog';
import { Field } from '../ui/field';
import { Secret } from '../ui/secret';

interface Enrolment {
  totpURI: string;
  backupCodes: string[];
}

type Doing = 'on' | 'off' | 'codes';

const DOING = {
  on: { title: 'Turn the second factor on', path: 'two-factor/enable', button: 'Continue' },
  off: { title: 'Turn the second factor off', path: 'two-factor/disable', button: 'Turn off' },
  codes: {
    title: 'New backup codes',
    path: 'two-factor/generate-backup-codes',
    button: 'Make new codes',
  },
} as const;

export function TwoFactor({ on }: { on: boolean }) {
  const [doing, setDoing] = useState<Doing | null>(null);
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const refresh = useRefresh();
  const close = () => {
    setDoing(null);
    setEnrolment(null);
    setCodes(null);
  };
  async function done(data: Partial<Enrolment>) {
    if (doing === 'on') return setEnrolment(data as Enrolment);
    if (doing === 'codes') return setCodes(data.backupCodes ?? []);
    close();
    toast.success('The second factor is off.');
    await refresh();
  }
  return (
    <>
      <div className="flex flex-wrap items-center gap-3 text-sm">
        <State kind={on ? 'good' : 'warn'}>{on ? 'on' : 'off'}</State>
        {on ? (
          <>
            <Button onClick={() => setDoing('codes')}>New backup codes</Button>
            <Button kind="danger" onClick={() => setDoing('off')}>
              Turn off
            </Button>
          </>
        ) : (
          <Button kind="primary" onClick={() => setDoing('on')}>
            Turn on
          </Button>
        )}
      </div>
      <Dialog
        title={codes ? 'Backup codes' : doing ? DOING[doing].title : ''}
        open={doing !== null}
        onClose={close}
        persistent={codes !== null}
      >
        {codes ? (
          <BackupCodes codes={codes} onDone={close} />
        ) : enrolment ? (
          <Enrol
            enrolment={enrolment}
            onDone={async () => {
              setCodes(enrolment.backupCodes);
              await refresh();
            }}
          />
        ) : (
          doing && <PasswordStep key={doing} {...DOING[doing]} onDone={done} />
        )}
      </Dialog>
    </>
  );
}

function useRefresh() {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const router = useRouter();
  return async () => {
    // The layout knows it too, for the dialog that asks for the code.
    router.refresh();
    await queries.invalidateQueries({ queryKey: trpc.admin.account.pathKey() });
  };
}

interface PasswordStepProps {
  path: string;
  button: string;
  onDone: (data: Partial<Enrolment>) => void;
}

function PasswordStep({ path, button, onDone }: PasswordStepProps) {
  const [problem, setProblem] = useState<string | null>(null);
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const password = new FormData(event.currentTarget).get('password');
    const result = await authPost<Partial<Enrolment>>(path, { password });
    if (result.ok) onDone(result.data);
    else setProblem(result.message);
  }
  return (
    <form onSubmit={submit}>
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        error={problem}
        required
      />
      <DialogButtons>
        <Button kind="primary" type="submit">
          {button}
        </Button>
      </DialogButtons>
    </form>
  );
}

function Enrol({ enrolment: { totpURI }, onDone }: { enrolment: Enrolment; onDone: () => void }) {
  const [problem, setProblem] = useState<string | null>(null);
  const secret = new URL(totpURI).searchParams.get('secret') ?? '';
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get('code')).trim();
    const result = await authPost('two-factor/verify-totp', { code });
    if (result.ok) onDone();
    else setProblem(result.message);
  }
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4 text-sm">
      <p className="text-soft">Scan this with the authenticator app, or type the secret below.</p>
      <div
        role="img"
        aria-label="QR code of the secret"
        className="size-44 rounded-md bg-white p-2"
        // biome-ignore lint/security/noDangerouslySetInnerHtml: made here, of squares only
        dangerouslySetInnerHTML={{ __html: renderSVG(totpURI, { border: 1 }) }}
      />
      <Secret>{secret}</Secret>
      <Field
        label="Code"
        name="code"
        inputMode="numeric"
        autoComplete="one-time-code"
        hint="Six digits that the app shows now."
        error={problem}
        required
      />
      <DialogButtons>
        <Button kind="primary" type="submit">
          Turn on
        </Button>
      </DialogButtons>
    </form>
  );
}

function BackupCodes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  return (
    <div className="grid grid-cols-1 gap-4 text-sm">
      <p className="text-soft">
        Each signs you in once without the app. Keep them where you keep passwords: they are not
        shown again.
      </p>
      <Secret>{codes.join('\n')}</Secret>
      <DialogButtons>
        <Button kind="primary" onClick={onDone}>
          I have kept them
        </Button>
      </DialogButtons>
    </div>
  );
}
