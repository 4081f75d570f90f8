import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import type { ClusterState } from './api-types';
import type { ChatProblem } from './types';

interface AnswerProblemProps {
  problem: ChatProblem;
  status: ClusterState;
}

export function AnswerProblem({ problem: { code, message }, status }: AnswerProblemProps) {
  // The command that is missing now; none when all is well again.
  const command = status.state === 'unavailable' ? status.command : null;
  return (
    <div className="mt-2">
      <Problem title={message}>
        {command && <Command>{command}</Command>}
        {status.state === 'ready' && code !== 'context_length_exceeded' && (
          <p>A worker is ready now. Ask again.</p>
        )}
        {code === 'context_length_exceeded' && (
          <p>The conversation has grown longer than the model can read. Start a new one below.</p>
        )}
      </Problem>
    </div>
  );
}
