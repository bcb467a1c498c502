import { fileURLToPath } from 'node:url'
import VueI18n from '@intlify/unplugin-vue-i18n/vite'
import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))
/** Loaded on every page. */
const MAIN = path('src/main.ts')
const SIGN_IN = path('src/auth/SignInPage.vue')
/** Loaded before the pages of signed-in users. */
const SIGNED_IN = path('src/signedIn.ts')
/** The pages that are opened most. */
const SNACKS = path('src/snack/SnackListPage.vue')
const ORDERS = path('src/order/OrderListPage.vue')
/** Dialogs and forms. Many pages share them, but not the first ones. */
const NOT_AT_FIRST = /Dialog|Switch|TextField|useForm|useDraft|\/(reka-ui|aria-hidden|defu)\//

/** Packages that are imported as a whole, although only some of their modules are used. */
const BARRELS = /node_modules\/(@lucide|reka-ui)\//

interface Modules {
  getModuleInfo: (id: string) => { importedIds: readonly string[] } | null
}

const closures = new Map<string, Set<string>>()

/** Tells whether a script needs a module before it can run. */
function needs(script: string, id: string, modules: Modules): boolean {
  let closure = closures.get(script)
  if (!closure) {
    closure = new Set([script])
    // The loop also visits what is added.
    for (const needed of closure) {
      const imported = modules.getModuleInfo(needed)?.importedIds ?? []
      imported.filter((module) => !BARRELS.test(module)).forEach((module) => closure!.add(module))
    }
    closures.set(script, closure)
  }
  return closure.has(id)
}

const nameOf = (id: string, library: string, own: string) => (id.includes('/node_modules/') ? library : own)

/** Lets the browser load the main script together with the first one, which imports it. */
function preloadMain(): Plugin {
  return {
    name: 'preload-main',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, { bundle }) => {
        const chunks = Object.values(bundle ?? {}).filter((output) => output.type === 'chunk')
        const files = new Set(chunks.filter((chunk) => chunk.moduleIds.includes(MAIN)).map((chunk) => chunk.fileName))
        for (const file of files) {
          chunks.find((chunk) => chunk.fileName === file)?.imports.forEach((imported) => files.add(imported))
        }
        return [...files].map((file) => ({
          tag: 'link',
          attrs: { rel: 'modulepreload', crossorigin: true, href: `./${file}` },
          injectTo: 'head',
        }))
      },
    },
  }
}

export default defineConfig(({ command }) => ({
  // The server makes the addresses of the page absolute, because they may have a path in front of them.
  base: command === 'build' ? './' : '/app/',
  plugins: [
    vue(),
    preloadMain(),
    // The Content-Security-Policy forbids eval, so messages are compiled here, without the compiler in the bundle.
    VueI18n({
      module: 'petite-vue-i18n',
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
          // A few files instead of dozens, because each is a request: libraries, which rarely change, the app's own code for all pages
          // and for those of signed-in users, and the code of the pages that are opened most.
          groups: [
            // The first script has to run before all others are there.
            { name: 'preload', test: /vite\/preload-helper|storageKey/, priority: 4 },
            {
              debugName: 'all pages',
              priority: 3,
              name: (id, modules) =>
                needs(MAIN, id, modules) || (needs(SIGN_IN, id, modules) && !id.includes('/auth/'))
                  ? nameOf(id, 'framework', 'main')
                  : null,
            },
            {
              debugName: 'signed-in users',
              priority: 2,
              name: (id, modules) => (needs(SIGNED_IN, id, modules) ? nameOf(id, 'query', 'signedIn') : null),
            },
            {
              debugName: 'lists',
              priority: 1,
              name: (id, modules) => {
                const isOfSnacks = needs(SNACKS, id, modules)
                const isOfOrders = needs(ORDERS, id, modules)
                // Other pages need them, too.
                if ((isOfSnacks && isOfOrders) || ((isOfSnacks || isOfOrders) && id.includes('/src/ui/')))
                  return 'lists'
                if (isOfSnacks) return 'snacks'
                return isOfOrders ? 'orders' : null
              },
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
      {
        extends: true,
        test: { name: 'unit', include: ['tests/unit/**/*.test.ts'], setupFiles: 'tests/unit/messages.setup.ts' },
      },
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
