// The code that the server appends to the address of the app after a sign-in at the identity provider.
import type { RouterHistory } from 'vue-router'

let code: string | null = null

/** Takes the code out of the address before anything else reads it, and leads to the sign-in page, which redeems it. */
export function keepCode(history: RouterHistory): void {
  if (!history.location.startsWith('/?code=')) return
  code = new URLSearchParams(history.location.slice(2)).get('code')
  history.replace('/sign-in')
}

export function takeCode(): string | null {
  const taken = code
  code = null
  return taken
}
