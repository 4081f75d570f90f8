'use client';

import { Menu } from '@base-ui/react/menu';
import { Ellipsis } from 'lucide-react';

export interface RowAction {
  name: string;
  danger?: boolean;
  run: () => void;
}

/** What can be done with the thing of one row. */
export function RowMenu({ label, actions }: { label: string; actions: readonly RowAction[] }) {
  if (actions.length === 0) return null;
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger aria-label={label} className="icon-button">
        <Ellipsis aria-hidden className="size-4" />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner align="end" sideOffset={4} className="z-20 outline-hidden">
          <Menu.Popup className="min-w-40 rounded-md border bg-surface py-1 text-sm shadow-lg outline-hidden">
            {actions.map(({ name, danger, run }) => (
              <Menu.Item
                key={name}
                onClick={run}
                className={`cursor-default px-3 py-1.5 outline-hidden select-none data-highlighted:bg-sunken ${danger ? 'text-bad' : ''}`}
              >
                {name}
              </Menu.Item>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
