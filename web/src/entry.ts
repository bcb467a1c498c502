// The first script. It loads the scripts of the first page side by side, because each of them would ask for the next one only when it
// runs. It has no static imports, which would have to be loaded before it runs.
import { STORAGE_KEY } from './api/storageKey'

const [, page = ''] = /\/app\/([^/]*)$/.exec(location.pathname) ?? []

/** A failure is left to the router, which loads the page again. */
function load(script: Promise<unknown>): void {
  script.catch(() => undefined)
}

if (localStorage.getItem(STORAGE_KEY) === null) {
  load(import('./auth/SignInPage.vue'))
} else {
  load(import('./signedIn'))
  if (page === 'snacks') load(import('./snack/SnackListPage.vue'))
  if (page === 'orders' || page === '') load(import('./order/OrderListPage.vue'))
}
void import('./main')
