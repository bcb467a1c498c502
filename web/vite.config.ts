import { fileURLToPath } from 'node:url'
import VueI18n from '@intlify/unplugin-vue-i18n/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  base: '/app/',
  plugins: [
    vue(),
    // The Content-Security-Policy forbids eval: messages are compiled here, and the compiler stays out of the bundle.
    VueI18n({
      include: fileURLToPath(new URL('src/i18n/*.json', import.meta.url)),
      dropMessageCompiler: true,
      fullInstall: false,
    }),
  ],
  // Nothing here is written with the options API.
  define: { __VUE_OPTIONS_API__: 'false' },
  build: {
    // scripts/budget.mjs reads it.
    manifest: true,
    // Native light-dark() instead of a polyfill of it.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // Fonts and pictures as data: URLs are not what the policy allows everywhere.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One style sheet of a few kilobytes instead of one for each component.
    cssCodeSplit: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What every page needs, in two files instead of dozens: one that rarely changes, and one of ours.
          groups: [
            {
              name: 'framework',
              test: /node_modules\/(@vue|vue|vue-router|pinia|vue-i18n|@intlify|@tanstack|openapi-fetch|@vueuse)\//,
            },
            { name: 'shared', minShareCount: 5 },
          ],
        },
      },
    },
  },
  server: {
    // The app lives below /app/; every other path is the server's.
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
          // They share one server, and two cores carry no more than one browser.
          fileParallelism: false,
          // Vitest has a BASE_URL of its own, which hides the one that tells where the server is.
          env: { SERVER_URL: process.env.BASE_URL ?? 'http://localhost:8000' },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
