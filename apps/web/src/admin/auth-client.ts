/** Calls of /api/auth, the few that our pages make. */

export type AuthResult<T> = { ok: true; data: T } | { ok: false; code: string; message: string };

/** Where the library's own words do not say what to do. */
const MESSAGES: Record<string, string> = {
  INVALID_EMAIL_OR_PASSWORD: 'E-mail address or password are wrong.',
  INVALID_PASSWORD: 'The password is wrong.',
  INVALID_CODE: 'The code is wrong, or was for another half minute.',
  INVALID_BACKUP_CODE: 'This backup code is wrong, or was used already.',
  INVALID_TWO_FACTOR_COOKIE: 'The sign-in took too long: begin again.',
  TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE: 'Too many wrong codes: begin the sign-in again.',
};

export async function authPost<T = unknown>(
  path: string,
  body: object = {},
): Promise<AuthResult<T>> {
  try {
    const response = await fetch(`/api/auth/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const data = await response.json();
    if (response.ok) return { ok: true, data: data as T };
    const { code = '', message = 'The server refused it.' } = data.error ?? data;
    return { ok: false, code, message: MESSAGES[code] ?? message };
  } catch {
    return { ok: false, code: 'unreachable', message: 'The server does not answer. Try again.' };
  }
}
