import { computed, onMounted, ref } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { dataOf, publicApi } from '../api/client'
import { Problem } from '../api/problem'
import { t } from '../i18n'
import { useSession } from '../session/session'
import { problemText } from '../ui/toasts'
import { hasStartedOidc } from './oidc'
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

/** Ends a sign-in at the identity provider: redeems its code, or shows its error. */
export function useOidcSignIn() {
  const route = useRoute()
  const router = useRouter()
  const session = useSession()

  const code = takeCode()
  // Also without a code, so that an abandoned sign-in leaves nothing behind.
  const hasStarted = hasStartedOidc()
  const isRedeeming = ref(code !== null && hasStarted)
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
    if (code && hasStarted) return redeem(code)
    if (code) return fail('oidc_failed')
    const { error, ...query } = route.query
    if (error === undefined) return
    fail(error)
    await router.replace({ query })
  })

  return { isRedeeming, failure, clearFailure: () => (message.value = null) }
}
