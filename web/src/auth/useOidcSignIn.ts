import { computed, onMounted, ref } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { dataOf, publicApi } from '../api/client'
import { Problem } from '../api/problem'
import { t } from '../i18n'
import { useSession } from '../session/session'
import { problemText } from '../ui/toasts'
import { takeNext } from './oidc'
import { takeCode } from './oidcCode'

/** The errors of the server's callback. */
const ERRORS = [
  'email_resigned',
  'sign_up_closed',
  'domain_not_allowed',
  'email_not_verified',
  'oidc_failed',
  'oidc_unavailable',
  'oidc_denied',
] as const

/** Finishes a sign-in at the identity provider: redeems its code, or shows its error. */
export function useOidcSignIn() {
  const route = useRoute()
  const router = useRouter()
  const session = useSession()

  const code = takeCode()
  // Also without a code, so that an abandoned sign-in leaves nothing behind.
  const next = takeNext()
  const isRedeeming = ref(code !== null && next !== null)
  /** Returns the message, in the present language. */
  const message = ref<(() => string) | null>(null)
  const failure = computed(() => message.value?.() ?? '')

  function fail(error: unknown): void {
    const known = ERRORS.find((name) => name === error) ?? 'oidc_failed'
    message.value = () => t(`oidc.errors.${known}`)
  }

  async function redeem(code: string): Promise<void> {
    try {
      // The app then leaves this page.
      await session.start(await dataOf(publicApi.POST('/auth/oidc/token', { body: { code } })))
    } catch (error) {
      // The server rejects codes that are old or used.
      if (error instanceof Problem && (error.status === 400 || error.status === 401)) fail(error.code)
      else message.value = () => problemText(error)
      isRedeeming.value = false
    }
  }

  // Screen readers read what is added to the page.
  onMounted(async () => {
    const { error, ...query } = route.query
    if (code === null && error === undefined) return
    if (!isRedeeming.value) fail(error)
    // A sign-in with the password leads to the same page.
    await router.replace({ query: next === null ? query : { ...query, returnTo: next } })
    if (code !== null && isRedeeming.value) await redeem(code)
  })

  return { isRedeeming, failure, clearFailure: () => (message.value = null) }
}
