import type { KeyboardEvent } from 'react';

/** Enter also ends an IME composition; 229 is what some browsers say then instead. */
export const endsComposition = (event: KeyboardEvent): boolean =>
  event.nativeEvent.isComposing || event.keyCode === 229;
