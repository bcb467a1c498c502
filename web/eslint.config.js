import { readdirSync } from 'node:fs'
import js from '@eslint/js'
import prettier from 'eslint-config-prettier/flat'
import vue from 'eslint-plugin-vue'
import accessibility from 'eslint-plugin-vuejs-accessibility'
import { defineConfig, globalIgnores } from 'eslint/config'
import globals from 'globals'
import typescript from 'typescript-eslint'

/** The folders without nouns. Each may import from those before it. */
const LAYERS = ['api', 'session', 'ui']
const OTHERS = ['i18n', 'styles']
const NOUNS = readdirSync(new URL('src', import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && ![...LAYERS, ...OTHERS].includes(entry.name))
  .map(({ name }) => name)

/** Forbids `files` to import from `folders`, at once or later. */
function forbidImports(files, folders) {
  const source = `^\\.\\.?\\u002f(${folders.join('|')})\\u002f`
  const message = `This file may not import from ${folders.join(', ')}.`
  return {
    files,
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ regex: source, message }] }],
      'no-restricted-syntax': ['error', { selector: `ImportExpression[source.value=/${source}/]`, message }],
    },
  }
}

const layers = [
  forbidImports(['src/i18n/**', 'src/{money,period,settings,time}.ts'], ['session', 'ui', ...NOUNS]),
  ...LAYERS.map((folder, position) => forbidImports([`src/${folder}/**`], [...LAYERS.slice(position + 1), ...NOUNS])),
]

export default defineConfig(
  globalIgnores(['dist', 'src/api/schema.d.ts', 'tests/e2e/screenshots']),
  js.configs.recommended,
  typescript.configs.recommended,
  vue.configs['flat/recommended'],
  accessibility.configs['flat/recommended'],
  prettier,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // A label is bound by nesting its control or by the control's id; the rule's default asks for both.
      'vuejs-accessibility/label-has-for': [
        'error',
        { controlComponents: ['ToggleSwitch', 'component'], required: { some: ['nesting', 'id'] } },
      ],
    },
  },
  { files: ['**/*.vue'], languageOptions: { parserOptions: { parser: typescript.parser } } },
  { files: ['src/**'], languageOptions: { globals: globals.browser } },
  { files: ['*.{js,ts}', 'scripts/**', 'tests/**'], languageOptions: { globals: globals.node } },
  ...layers,
)
