/**
 * Sign-in of admins, by better-auth: password (scrypt), then TOTP or a backup code where it is on.
 * Nobody can sign up: admins come by one-time links only.
 */
import type { Db } from '@blyan/db/client';
import { betterAuth } from 'better-auth';
import { prismaAdapter } from 'better-auth/adapters/prisma';
import { twoFactor } from 'better-auth/plugins/two-factor';
import type { Config } from '../../env.ts';

export const PASSWORD_MIN = 12;
/** Hashing time does not depend on it; a bound for the body. */
export const PASSWORD_MAX = 128;
/** A working day. Sessions are not prolonged by use. */
const SESSION_S = 12 * 3600;
const AUTH_PATH = '/api/auth';

export function createAuth({ authSecret, publicOrigin }: Config, db: Db) {
  if (authSecret === null) return null;
  return betterAuth({
    appName: 'Blyan',
    secret: authSecret,
    // Its own guess would follow the Host header; links are not made from it, and origins are ours.
    baseURL: publicOrigin ?? 'http://127.0.0.1',
    basePath: AUTH_PATH,
    database: prismaAdapter(db, { provider: 'postgresql' }),
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: PASSWORD_MIN,
      maxPasswordLength: PASSWORD_MAX,
    },
    user: { modelName: 'admin' },
    session: {
      modelName: 'adminSession',
      expiresIn: SESSION_S,
      disableSessionRefresh: true,
      // Read from the database each time, so that a session that was ended is over at once.
      cookieCache: { enabled: false },
      additionalFields: { confirmedAt: { type: 'date', required: false, input: false } },
    },
    account: { modelName: 'adminAccount' },
    verification: { modelName: 'adminVerification' },
    plugins: [
      // A trusted device would skip the second factor at its next sign-ins.
      twoFactor({ issuer: 'Blyan', twoFactorTable: 'adminTwoFactor', trustDeviceMaxAge: 0 }),
    ],
    advanced: {
      cookiePrefix: 'blyan',
      useSecureCookies: publicOrigin?.startsWith('https:') ?? false,
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax' },
      ipAddress: { ipAddressHeaders: ['x-forwarded-for'] },
    },
    // Ours counts by account too, for all processes together (limits.ts).
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    // Wrong passwords are in the audit log.
    logger: { level: 'error' },
    // Origins are checked before a request comes here (origin.ts), against the same rule.
    trustedOrigins: (request) => {
      const origin = request?.headers.get('origin');
      return origin ? [origin] : [];
    },
  });
}

export type Auth = NonNullable<ReturnType<typeof createAuth>>;
