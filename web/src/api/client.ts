// The one way to the server: with the token, in the user's language, and with every refusal as a Problem.
import createClient from 'openapi-fetch'

import { currentLanguage } from '../i18n'
import { TokenStore, storageChange, webLock } from './tokens'
import { Problem } from './problem'
import type { paths } from './schema'
import type { Tokens } from './types'

/** After this long without an answer there is none. Uploads of 5 MiB over a phone's network have to fit in. */
const TIMEOUT = 60_000

const endings = new Set<() => void>()

/** Calls `listener` when the server has ended the sign-in. */
export function onSessionEnd(listener: () => void): void {
  endings.add(listener)
}

export const tokens = new TokenStore({
  storage: localStorage,
  exclusively: webLock,
  change: storageChange,
  refresh,
  ended: () => endings.forEach((listener) => listener()),
  now: Date.now,
})

/** For calls that need no token. */
export const publicApi = createClient<paths, 'application/json'>({ baseUrl: location.origin, fetch: send })

/** For all other calls. */
export const api = createClient<paths, 'application/json'>({ baseUrl: location.origin, fetch: sendAuthorized })

function send(request: Request): Promise<Response> {
  request.headers.set('Accept-Language', currentLanguage())
  return fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT)]) })
}

async function sendAuthorized(request: Request): Promise<Response> {
  const token = await tokens.access()
  if (token) request.headers.set('Authorization', `Bearer ${token}`)
  const again = request.clone()
  const response = await send(request)
  if (response.status !== 401 || !token) return response

  const renewed = await tokens.renew(token)
  if (!renewed) return response
  again.headers.set('Authorization', `Bearer ${renewed}`)
  return send(again)
}

async function refresh(token: string): Promise<Tokens | null> {
  const { data, error, response } = await publicApi.POST('/auth/token/refresh', { body: { refresh: token } })
  if (data) return data
  if (response.status === 401) return null
  throw Problem.read(response.status, error)
}

interface Answer<Data> {
  data: Data
  response: Response
}

/** The answer of a call with its headers. Throws a Problem for whatever is no success. */
export async function answerOf<Data>(
  call: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Answer<Data>> {
  try {
    const { data, error, response } = await call
    if (!response.ok) throw Problem.read(response.status, error)
    return { data: data as Data, response }
  } catch (error) {
    // A call that was given up is no failure: whoever gave it up knows.
    if (error instanceof Problem || (error instanceof DOMException && error.name === 'AbortError')) throw error
    throw Problem.network()
  }
}

/** The data of a call. Throws a Problem for whatever is no success. */
export async function dataOf<Data>(call: Promise<{ data?: Data; error?: unknown; response: Response }>): Promise<Data> {
  return (await answerOf(call)).data
}
