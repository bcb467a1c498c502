import './styles/index.css'

import { VueQueryPlugin } from '@tanstack/vue-query'
import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './App.vue'
import { queryClient } from './api/query'
import { i18n, setLanguage } from './i18n'
import { useCart } from './order/cart'
import { router } from './router'
import { useSession } from './session/session'
import { useSettings } from './settings'

const app = createApp(App).use(createPinia())
const { language } = useSettings()
const session = useSession()
// As early as possible: what the pages read before the stream of changes is open, they read twice.
import('./live/start').then(
  ({ startLive }) => startLive(),
  () => undefined,
)
// The cart watches the session, which may end before a page needs the cart.
useCart()
// The stored profile is shown until the present one is loaded.
if (session.isSignedIn) session.loadUser().catch(() => undefined)

// The app starts in Korean if the messages of the other language cannot be loaded.
await setLanguage(language).catch(() => undefined)
app.use(i18n).use(router).use(VueQueryPlugin, { queryClient }).mount('#app')
