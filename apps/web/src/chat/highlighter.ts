/**
 * Code highlighting for streamdown: shiki with its JavaScript engine, because the policy of the pages
 * allows no WebAssembly, and with the languages that answers have most, each loaded when it is met (all
 * of shiki's would double the build). A block that is still being written stays plain: its colours would change with every token.
 */
import type { CodeHighlighterPlugin, HighlightResult } from 'streamdown';

const LANGUAGES = {
  bash: () => import('shiki/langs/bash.mjs'),
  c: () => import('shiki/langs/c.mjs'),
  csharp: () => import('shiki/langs/csharp.mjs'),
  css: () => import('shiki/langs/css.mjs'),
  diff: () => import('shiki/langs/diff.mjs'),
  docker: () => import('shiki/langs/docker.mjs'),
  go: () => import('shiki/langs/go.mjs'),
  html: () => import('shiki/langs/html.mjs'),
  java: () => import('shiki/langs/java.mjs'),
  javascript: () => import('shiki/langs/javascript.mjs'),
  json: () => import('shiki/langs/json.mjs'),
  kotlin: () => import('shiki/langs/kotlin.mjs'),
  markdown: () => import('shiki/langs/markdown.mjs'),
  python: () => import('shiki/langs/python.mjs'),
  rust: () => import('shiki/langs/rust.mjs'),
  sql: () => import('shiki/langs/sql.mjs'),
  toml: () => import('shiki/langs/toml.mjs'),
  tsx: () => import('shiki/langs/tsx.mjs'),
  xml: () => import('shiki/langs/xml.mjs'),
  yaml: () => import('shiki/langs/yaml.mjs'),
};
type Language = keyof typeof LANGUAGES;

const ALIASES: Record<string, Language> = {
  sh: 'bash',
  shell: 'bash',
  zsh: 'bash',
  console: 'bash',
  cpp: 'c',
  'c++': 'c',
  'c#': 'csharp',
  cs: 'csharp',
  dockerfile: 'docker',
  golang: 'go',
  js: 'javascript',
  jsx: 'javascript',
  md: 'markdown',
  py: 'python',
  rs: 'rust',
  ts: 'tsx',
  typescript: 'tsx',
  yml: 'yaml',
};
const THEMES: ['github-light', 'github-dark'] = ['github-light', 'github-dark'];

function languageOf(name: string): Language | null {
  const lower = name.trim().toLowerCase();
  if (lower in LANGUAGES) return lower as Language;
  return ALIASES[lower] ?? null;
}

async function createHighlighter() {
  const [{ createHighlighterCore }, { createJavaScriptRegexEngine }] = await Promise.all([
    import('shiki/core'),
    import('shiki/engine/javascript'),
  ]);
  return createHighlighterCore({
    engine: createJavaScriptRegexEngine({ forgiving: true }),
    themes: [import('shiki/themes/github-light.mjs'), import('shiki/themes/github-dark.mjs')],
    langs: [],
  });
}

/** As it is, for what is still being written: with nothing at all, streamdown would stay at its first words. */
const plain = (code: string): HighlightResult => ({
  bg: 'transparent',
  fg: 'inherit',
  tokens: code.split('\n').map((content) => [{ content, offset: 0 }]),
});

export function createHighlightPlugin(): CodeHighlighterPlugin {
  let highlighter: ReturnType<typeof createHighlighter> | undefined;
  const highlight = async (code: string, language: Language): Promise<HighlightResult> => {
    highlighter ??= createHighlighter();
    const shiki = await highlighter;
    await shiki.loadLanguage(LANGUAGES[language]());
    const themes = { light: THEMES[0], dark: THEMES[1] };
    return shiki.codeToTokens(code, { lang: language, themes });
  };
  return {
    name: 'shiki',
    type: 'code-highlighter',
    getSupportedLanguages: () => [...Object.keys(LANGUAGES), ...Object.keys(ALIASES)],
    getThemes: () => THEMES,
    supportsLanguage: (language) => languageOf(language) !== null,
    highlight({ code, language, isIncomplete }, callback) {
      const known = languageOf(language);
      if (!isIncomplete && known && callback)
        // Code that cannot be coloured is read as it is.
        highlight(code, known).then(callback, () => undefined);
      return plain(code);
    },
  };
}
