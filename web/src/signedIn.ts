// The scripts that only signed-in users need. The pages for them are shown after `start`.
import { VueQueryPlugin } from '@tanstack/vue-query'
import { watch, type App } from 'vue'

import { queryClient } from './api/query'
import { addManyMessages } from './i18n'
import ko from './i18n/pages.ko.json'
import { useCart } from './order/cart'
import { router } from './router'
import { useSession } from './session/session'
import { installDialogHistory } from './ui/dialogHistory'
import { removeDraftsOf } from './ui/drafts'

export { default as HeaderLinks } from './HeaderLinks.vue'
export { default as LiveNotice } from './live/LiveNotice.vue'
export { default as CartFrame } from './order/CartFrame.vue'
export { default as CartSkipLink } from './order/CartSkipLink.vue'

export async function start(app: App): Promise<void> {
  // As early as possible: what the pages read before the stream of changes is open, they read twice.
  import('./live/start').then(
    ({ startLive }) => startLive(),
    () => undefined,
  )
  installDialogHistory(router)
  app.use(VueQueryPlugin, { queryClient })
  // The cart watches the session, which may end before a page needs the cart.
  useCart()
  const session = useSession()
  watch(
    () => session.userId,
    (_userId, before) => {
      // The next user must not see data of the former one.
      queryClient.clear()
      if (session.endReason === 'signed-out' && before !== null) removeDraftsOf(before)
    },
    { flush: 'sync' },
  )
  // Korean is shown if the messages of the other language cannot be loaded.
  await addManyMessages(ko, () => import('./i18n/pages.en.json')).catch(() => undefined)
}
