import { handleAuth } from '@/server/admin/auth-route';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const POST = route({ handler: ({ request, ctx }) => handleAuth(request, ctx) });
