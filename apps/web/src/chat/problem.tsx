import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import type { ChatProblem } from './types';

/** Codes where a worker or the coordinator must be started. */
const START = new Set(['no_worker', 'coordinator_unavailable', 'model_not_served']);

export function AnswerProblem({ problem, command }: { problem: ChatProblem; command: string }) {
  const { code, message } = problem;
  return (
    <div className="mt-2">
      <Problem title={message}>
        {START.has(code) && (
          <>
            <p>On the machine of the main node, this starts what is missing:</p>
            <Command>{command}</Command>
          </>
        )}
        {code === 'context_length_exceeded' && (
          <p>The conversation has grown longer than the model can read. Start a new one below.</p>
        )}
      </Problem>
    </div>
  );
}
