// Sign-in at the identity provider, by OpenID Connect.
import { ref, shallowRef } from 'vue'

import { dataOf, publicApi } from '../api/client'
import { SERVER_URL } from '../api/server'
import type { SignUpOptions } from '../api/types'
import { addMessages } from '../i18n'
import en from '../i18n/oidc.en.json'
import ko from '../i18n/oidc.ko.json'

addMessages({ ko, en })

/**
 * The page after the sign-in, while this tab is at the identity provider. A code is redeemed only then: by a link with a code,
 * anybody could sign somebody else in as themselves.
 */
const NEXT = 'snack.oidc'

/** Leads the browser to the identity provider. */
export function startOidc(next: string): void {
  sessionStorage.setItem(NEXT, next)
  location.assign(`${SERVER_URL}/auth/oidc/login`)
}

/** The page after the sign-in, once after `startOidc`. */
export function takeNext(): string | null {
  const next = sessionStorage.getItem(NEXT)
  sessionStorage.removeItem(NEXT)
  return next
}

/** The options that were read last. */
const options = shallowRef<SignUpOptions>()
let reading: Promise<void> | null = null

/** Who may sign up, and the name of the identity provider. Components of the same page share a request. */
export function useSignUpOptions() {
  const isPending = ref(!options.value)
  reading ??= dataOf(publicApi.GET('/auth/sign-up'))
    .then(
      (read) => void (options.value = read),
      () => undefined,
    )
    .finally(() => (reading = null))
  void reading.then(() => (isPending.value = false))
  return { options, isPending }
}
