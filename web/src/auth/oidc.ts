// Sign-in at the identity provider, by OpenID Connect.
import { dataOf, publicApi } from '../api/client'
import { addMessages } from '../i18n'
import en from '../i18n/oidc.en.json'
import ko from '../i18n/oidc.ko.json'

addMessages({ ko, en })

/** Set while this tab is at the identity provider. A code is redeemed only then, because anybody can write the address with it. */
const STARTED = 'snack.oidc'

/** Leads the browser to the identity provider, and afterwards to a page of this app. */
export function startOidc(next: string): void {
  sessionStorage.setItem(STARTED, 'true')
  location.assign(`${location.origin}/auth/oidc/login?next=${encodeURIComponent(next)}`)
}

/** True once after `startOidc`. */
export function hasStartedOidc(): boolean {
  const hasStarted = sessionStorage.getItem(STARTED) !== null
  sessionStorage.removeItem(STARTED)
  return hasStarted
}

/** Who may sign up, and the name of the identity provider. */
export const signUpTermsQuery = {
  queryKey: ['sign-up'],
  queryFn: () => dataOf(publicApi.GET('/auth/sign-up')),
}
