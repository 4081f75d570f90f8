'use client';

import { Slider } from '@base-ui/react/slider';
import { Switch } from '@base-ui/react/switch';
import { type ReactNode, useId } from 'react';
import { Button } from '@/components/button';
import type { ConversationSettings } from '@/lib/conversation';
import { useWords } from '@/lib/i18n/provider';
import { useChat } from './chat-context';

const FIELD =
  'w-full rounded-md border border-line-strong bg-surface px-3 py-1.5 text-sm outline-none focus:border-accent placeholder:text-faint disabled:opacity-50';

export function SettingsPanel({ onClose }: { onClose(): void }) {
  const { settings: t } = useWords();
  const { conversation, snapshot, defaults } = useChat();
  const { settings } = snapshot;
  const set = (change: ConversationSettings) => conversation.set({ ...settings, ...change });
  const whole = (text: string, max: number): number | null => {
    const value = Number(text);
    return text.trim() !== '' && Number.isSafeInteger(value) && value >= 0
      ? Math.min(value, max)
      : null;
  };
  return (
    <div className="space-y-5">
      <p className="text-sm text-soft">{t.text}</p>
      <Field label={t.system} hint={t.systemHint}>
        {(id) => (
          <textarea
            id={id}
            rows={3}
            value={settings.system ?? ''}
            onChange={(event) => set({ system: event.target.value || null })}
            className={`${FIELD} field-sizing-content max-h-60 min-h-20 resize-none`}
          />
        )}
      </Field>
      <Fraction
        label={t.temperature}
        hint={t.temperatureHint}
        value={settings.temperature ?? null}
        standard={defaults?.temperature ?? null}
        min={0}
        max={2}
        onChange={(temperature) => set({ temperature })}
      />
      <Fraction
        label={t.topP}
        hint={t.topPHint}
        value={settings.top_p ?? null}
        standard={defaults?.topP ?? null}
        min={0.05}
        max={1}
        onChange={(top_p) => set({ top_p })}
      />
      <Field label={t.maxTokens}>
        {(id) => (
          <input
            id={id}
            inputMode="numeric"
            value={settings.max_tokens ?? ''}
            placeholder={defaults ? String(defaults.maxTokens) : ''}
            onChange={(event) => {
              const value = whole(event.target.value, defaults?.context ?? 1_000_000);
              set({ max_tokens: value || null });
            }}
            className={FIELD}
          />
        )}
      </Field>
      <Field label={t.seed} hint={t.seedHint}>
        {(id) => (
          <input
            id={id}
            inputMode="numeric"
            value={settings.seed ?? ''}
            placeholder={t.drawn}
            onChange={(event) => set({ seed: whole(event.target.value, Number.MAX_SAFE_INTEGER) })}
            className={FIELD}
          />
        )}
      </Field>
      <Toggle
        label={t.thinking}
        hint={defaults && !defaults.thinking ? t.cannotThink : ''}
        disabled={defaults !== null && !defaults.thinking}
        checked={settings.thinking ?? false}
        onChange={(thinking) => set({ thinking })}
      />
      <Toggle
        label={t.probabilities}
        hint={t.probabilitiesHint}
        checked={settings.probabilities ?? false}
        onChange={(probabilities) => set({ probabilities })}
      />
      <div className="sticky -bottom-4 -mx-4 -mb-4 flex justify-between gap-2 border-t bg-surface px-4 py-3">
        <Button onClick={() => conversation.set({})}>{t.reset}</Button>
        <Button kind="accent" onClick={onClose}>
          {t.done}
        </Button>
      </div>
    </div>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  children(id: string): ReactNode;
}

function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div className="space-y-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children(id)}
      {hint && <p className="text-[0.8125rem] text-faint">{hint}</p>}
    </div>
  );
}

interface FractionProps {
  label: string;
  hint: string;
  value: number | null;
  /** The model's. */
  standard: number | null;
  min: number;
  max: number;
  onChange(value: number | null): void;
}

function Fraction({ label, hint, value, standard, min, max, onChange }: FractionProps) {
  const { settings: t } = useWords();
  const shown = value ?? standard ?? max / 2;
  return (
    <Slider.Root
      value={shown}
      min={min}
      max={max}
      step={0.05}
      onValueChange={(next) => onChange(Number((next as number).toFixed(2)))}
      className="space-y-1"
    >
      <div className="flex justify-between gap-3 text-sm">
        <Slider.Label className="font-medium">{label}</Slider.Label>
        <span className="text-soft tabular-nums">
          {value === null && standard !== null
            ? t.modelDefault(standard.toFixed(2))
            : shown.toFixed(2)}
        </span>
      </div>
      <Slider.Control className="flex h-6 items-center">
        <Slider.Track className="h-1 w-full rounded-full bg-line-strong">
          <Slider.Indicator className="rounded-full bg-accent" />
          <Slider.Thumb
            getAriaLabel={() => label}
            className="size-4 rounded-full border border-accent bg-surface has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent"
          />
        </Slider.Track>
      </Slider.Control>
      <p className="text-[0.8125rem] text-faint">{hint}</p>
    </Slider.Root>
  );
}

interface ToggleProps {
  label: string;
  hint: string;
  disabled?: boolean;
  checked: boolean;
  onChange(checked: boolean): void;
}

function Toggle({ label, hint, disabled = false, checked, onChange }: ToggleProps) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4">
      <div>
        <span id={id} className="text-sm font-medium">
          {label}
        </span>
        {hint && <p className="text-[0.8125rem] text-faint">{hint}</p>}
      </div>
      <Switch.Root
        aria-labelledby={id}
        disabled={disabled}
        checked={checked}
        onCheckedChange={onChange}
        className="mt-0.5 flex h-5 w-9 shrink-0 rounded-full border border-line-strong bg-sunken p-px transition-colors data-[checked]:border-accent data-[checked]:bg-accent data-[disabled]:opacity-50"
      >
        <Switch.Thumb className="size-4 rounded-full bg-ink transition-transform data-[checked]:translate-x-4 data-[checked]:bg-accent-ink" />
      </Switch.Root>
    </div>
  );
}
