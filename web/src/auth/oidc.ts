// Sign-in at the identity provider, by OpenID Connect.
import { dataOf, publicApi } from '../api/client'
import { SERVER_URL } from '../api/server'
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

/** Who may sign up, and the name of the identity provider. */
export const signUpOptionsQuery = {
  queryKey: ['sign-up'],
  queryFn: () => dataOf(publicApi.GET('/auth/sign-up')),
}
