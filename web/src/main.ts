import './styles/index.css'

import { createPinia } from 'pinia'
import { createApp, watch } from 'vue'

import App from './App.vue'
import { i18n, setLanguage } from './i18n'
import { router } from './router'
import { useSession } from './session/session'
import { useSettings } from './settings'

const app = createApp(App).use(createPinia())
const { language } = useSettings()
const session = useSession()

let signedIn: Promise<void> | null = null
/** Loads what the pages of signed-in users need. */
function startSignedIn(): Promise<void> {
  signedIn ??= import('./signedIn')
    .then(({ start }) => start(app))
    .catch((error: unknown) => {
      signedIn = null
      throw error
    })
  return signedIn
}

watch(
  () => session.isSignedIn,
  (isSignedIn) => isSignedIn && startSignedIn().catch(() => undefined),
)
router.beforeEach(async (to) => {
  if (!to.meta.isForGuests && !to.meta.isPublic) await startSignedIn()
})
// The stored profile is shown until the present one is loaded.
if (session.isSignedIn) session.loadUser().catch(() => undefined)

/** The app starts in Korean if the messages of the other language cannot be loaded. */
async function mount(): Promise<void> {
  await Promise.all([setLanguage(language), session.isSignedIn && startSignedIn()]).catch(() => undefined)
  app.use(i18n).use(router).mount('#app')
}

// Not awaited here, because the scripts that it loads import what is built together with this one.
void mount()
