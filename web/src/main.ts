import './styles/tokens.css'
import './styles/base.css'

import { VueQueryPlugin } from '@tanstack/vue-query'
import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './App.vue'
import { queryClient } from './api/query'
import { i18n, setLanguage } from './i18n'
import { router } from './router'
import { useSession } from './session/session'
import { useSettings } from './settings'

const app = createApp(App).use(createPinia())
const { language } = useSettings()
const session = useSession()
// What is remembered of the user is shown until the server has told what is true now.
if (session.isSignedIn) session.loadUser().catch(() => undefined)

// The first page in the right language; should that one not come, then in Korean.
await setLanguage(language).catch(() => undefined)
app.use(i18n).use(router).use(VueQueryPlugin, { queryClient }).mount('#app')
