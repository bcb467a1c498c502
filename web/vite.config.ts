import { fileURLToPath } from 'node:url'
import VueI18n from '@intlify/unplugin-vue-i18n/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

/** Dialogs and forms. Many pages share them, but the first one does without. */
const NOT_AT_FIRST = /Dialog|Switch|TextField|useForm|useDraft/

export default defineConfig(({ command }) => ({
  // The server makes the addresses of the page absolute, because they may have a path in front of them.
  base: command === 'build' ? './' : '/app/',
  plugins: [
    vue(),
    // The Content-Security-Policy forbids eval, so messages are compiled here, without the compiler in the bundle.
    VueI18n({
      include: fileURLToPath(new URL('src/i18n/*.json', import.meta.url)),
      dropMessageCompiler: true,
      fullInstall: false,
    }),
  ],
  // The app does not use the options API.
  define: { __VUE_OPTIONS_API__: 'false' },
  build: {
    // scripts/budget.mjs reads it.
    manifest: true,
    // These browsers support light-dark(), so it needs no polyfill.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // The Content-Security-Policy does not allow all data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One style sheet of a few kilobytes instead of one for each component.
    cssCodeSplit: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // The code of every page is in two files instead of dozens: libraries, which rarely change, and the app's own.
          groups: [
            {
              name: 'framework',
              test: /node_modules\/(@vue|vue|vue-router|pinia|vue-i18n|@intlify|@tanstack|openapi-fetch|@vueuse)\//,
            },
            { name: 'shared', minShareCount: 5, test: (id) => !NOT_AT_FIRST.test(id) },
          ],
        },
      },
    },
  },
  server: {
    // All paths outside /app/ belong to the server.
    proxy: { '^/(?!app(/|$))': process.env.SNACK_SERVER ?? 'http://localhost:8000' },
  },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['tests/unit/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          // The tests share one server, and two cores run no more than one browser.
          fileParallelism: false,
          // Vitest overwrites BASE_URL with its own.
          env: { SERVER_URL: process.env.BASE_URL ?? 'http://localhost:8000' },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
}))
