import { STEPS, type Step } from '@blyan/chain/walk';
import { Problem } from '@/components/problem';
import { SubjectText } from './subject';

/** The step that failed: what should have held, about what, and what was there instead. */
export function StepFailure({ step }: { step: Step }) {
  const { problem, evidence, subject } = step;
  if (!problem) return null;
  const silent = problem.code === 'SOURCE_FAILED';
  return (
    <div
      className="mt-4"
      data-testid="verify-failure"
      data-step={step.step}
      data-code={problem.code}
    >
      <Problem
        title={
          silent
            ? `The server did not give what the step "${step.step}" needs.`
            : `Failed at the step "${step.step}": ${problem.message}`
        }
      >
        <p>
          Expected: {STEPS[step.step]}.{' '}
          {silent
            ? 'Nothing was shown to be wrong. Try again, or ask another main node.'
            : 'What this server sent is not what the chain says. Do not use it; the steps behind this one were not looked at.'}
        </p>
        <dl className="grid grid-cols-[max-content_minmax(0,1fr)] gap-x-4 gap-y-1 font-mono text-[0.8125rem] break-all">
          <dt>code</dt>
          <dd>{problem.code}</dd>
          <dt>about</dt>
          <dd>
            <SubjectText subject={subject} />
          </dd>
          {evidence.expected && (
            <>
              <dt>expected</dt>
              <dd>{evidence.expected}</dd>
            </>
          )}
          {evidence.actual && (
            <>
              <dt>found</dt>
              <dd>{evidence.actual}</dd>
            </>
          )}
          {Object.entries(problem.details)
            .filter(([, value]) => value !== undefined && value !== null)
            .map(([name, value]) => (
              <div key={name} className="contents">
                <dt>{name}</dt>
                <dd>{typeof value === 'object' ? JSON.stringify(value) : String(value)}</dd>
              </div>
            ))}
        </dl>
      </Problem>
    </div>
  );
}
