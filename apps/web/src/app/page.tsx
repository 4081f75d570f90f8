import { ChatPage } from '@/chat/chat-page';
import { orNull } from '@/server/trpc/or-null';
import { api } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

export default async function Page() {
  const [status, model] = await Promise.all([
    api.cluster.status(),
    // What is missing is said by the status.
    orNull(api.chain.servedModel()).catch(() => null),
  ]);
  return <ChatPage initialStatus={status} model={model} />;
}
