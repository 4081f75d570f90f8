/** Standard base64 with padding (RFC 4648, section 4), strict: one text for one byte string. */

/** `String.fromCharCode` takes its arguments on the stack; 32 KiB is safe in every engine. */
const STEP = 0x8000;

export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += STEP) {
    binary += String.fromCharCode(...bytes.subarray(i, i + STEP));
  }
  return btoa(binary);
}

/** @throws TypeError for anything that `toBase64` would not have written. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new TypeError('expected base64');
  }
  // atob forgives white space, missing padding and stray bits; btoa writes the one right text.
  if (btoa(binary) !== text) throw new TypeError('expected canonical base64');
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
