/**
 * TeX as models write it, in the one way that the renderer takes: `$$...$$`. Single dollars follow
 * pandoc's rule (tex_math_dollars), so that prices stay prices: no space inside of them, and no digit
 * behind the closing one. Code is left as it is.
 */

/** Fenced blocks (an unfinished one, too) and code in a line. */
const CODE = /(```[\s\S]*?(?:```|$)|~~~[\s\S]*?(?:~~~|$)|`[^`\n]*`)/;
const DOLLARS = /(?<![\\$])\$(?![\s$])([^$\n]*?[^\s\\$])\$(?![\d$])/g;

const convert = (text: string): string =>
  text
    .replace(/\\\[([\s\S]+?)\\\]/g, (_, tex: string) => `$$\n${tex.trim()}\n$$`)
    .replace(/\\\((.+?)\\\)/g, (_, tex: string) => `$$${tex.trim()}$$`)
    .replace(DOLLARS, (_, tex: string) => `$$${tex}$$`);

export function mathText(text: string): string {
  // Most answers have none.
  if (!/\$|\\[([]/.test(text)) return text;
  return text
    .split(CODE)
    .map((part, i) => (i % 2 === 1 ? part : convert(part)))
    .join('');
}
