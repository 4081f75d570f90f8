/** Pictures of the chat. */
import type { Page } from 'playwright-core';
import type { Shot, Site } from './shot.ts';

/** Asks in a conversation of its own, always with the same seed, and waits for the end of the answer. */
async function ask(page: Page, { url }: Site, question: string): Promise<void> {
  await page.goto(url);
  await page.getByRole('button', { name: 'Parameters' }).click();
  await page.getByRole('textbox', { name: 'Seed' }).fill('1');
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('textbox', { name: 'Message' }).fill(question);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByTestId('provenance').waitFor();
}

export const CHAT: readonly Shot[] = [
  {
    name: 'chat',
    size: 'desktop',
    theme: 'light',
    async show(page, site) {
      for (const question of ['Who are you?', 'How do I verify a block?', 'What is Blyan?'])
        await ask(page, site, question);
      await page.getByRole('button', { name: 'Where it came from' }).click();
      await page.getByText('Genesis', { exact: true }).waitFor();
    },
  },
  {
    name: 'chat-phone-dark',
    size: 'phone',
    theme: 'dark',
    show: (page, site) => ask(page, site, 'What is Blyan?'),
  },
];
