import js from '@eslint/js'
import prettier from 'eslint-config-prettier/flat'
import vue from 'eslint-plugin-vue'
import accessibility from 'eslint-plugin-vuejs-accessibility'
import { defineConfig, globalIgnores } from 'eslint/config'
import globals from 'globals'
import typescript from 'typescript-eslint'

/** Folders of src/ from the bottom up. A folder imports from itself and from those before it. */
const LAYERS = ['api', 'session', 'ui']
const NOUNS = ['auth', 'order', 'snack', 'statistics']

const layers = LAYERS.map((folder, position) => {
  const upper = [...LAYERS.slice(position + 1), ...NOUNS].join('|')
  const message = `src/${folder} may not import from the folders above it: ${upper.replaceAll('|', ', ')}.`
  return {
    files: [`src/${folder}/**`],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ regex: `^\\.\\./(${upper})/`, message }] }],
      'no-restricted-syntax': [
        'error',
        { selector: `ImportExpression[source.value=/^\\.\\.\\u002f(${upper})\\u002f/]`, message },
      ],
    },
  }
})

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
