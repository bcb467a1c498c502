// The only way to the server: adds the token and the language, and throws every error as a Problem.
import createClient from 'openapi-fetch'

import { currentLanguage } from '../i18n'
import { Problem } from './problem'
import type { paths } from './schema'
import { SERVER_URL } from './server'
import { TokenStore, storageChange, webLock } from './tokens'
import type { Tokens } from './types'

/** In milliseconds. Uploads of 5 MiB over a phone's network have to fit in. */
const TIMEOUT = 60_000

const sessionEndListeners = new Set<() => void>()

/** Registers a listener for the end of the session by the server. */
export function onSessionEnd(listener: () => void): void {
  sessionEndListeners.add(listener)
}

export const tokens = new TokenStore({
  storage: localStorage,
  exclusively: webLock,
  waitForChange: storageChange,
  refresh,
  onEnd: () => sessionEndListeners.forEach((listener) => listener()),
  now: Date.now,
})

/** For endpoints that need no token. */
export const publicApi = createClient<paths, 'application/json'>({ baseUrl: SERVER_URL, fetch: send })

/** For all other endpoints. */
export const api = createClient<paths, 'application/json'>({ baseUrl: SERVER_URL, fetch: sendAuthorized })

function send(request: Request): Promise<Response> {
  request.headers.set('Accept-Language', currentLanguage())
  return fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT)]) })
}

async function sendAuthorized(request: Request): Promise<Response> {
  return authorized(request, await tokens.access(), send)
}

/** The stream of events, which has no timeout. Null if nobody is signed in. */
export async function openEvents(signal: AbortSignal): Promise<Response | null> {
  const token = await tokens.access()
  const request = new Request(`${SERVER_URL}/events`, { headers: { Accept: 'text/event-stream' }, signal })
  return token ? authorized(request, token, fetch) : null
}

/** Sends a request with a token. If the server rejects the token, the request is sent once more with a new one. */
async function authorized(
  request: Request,
  token: string | null,
  send: (request: Request) => Promise<Response>,
): Promise<Response> {
  if (token) request.headers.set('Authorization', `Bearer ${token}`)
  const retry = request.clone()
  const response = await send(request)
  if (response.status !== 401 || !token) return response

  const renewed = await tokens.renew(token)
  if (!renewed) return response
  retry.headers.set('Authorization', `Bearer ${renewed}`)
  return send(retry)
}

async function refresh(token: string): Promise<Tokens | null> {
  const { data, error, response } = await publicApi.POST('/auth/token/refresh', { body: { refresh: token } })
  if (data) return data
  if (response.status === 401) return null
  throw Problem.read(response.status, error)
}

/** The result of openapi-fetch. */
type Fetched<Data> = Promise<{ data?: Data; error?: unknown; response: Response }>

/** The data of a successful response, and the response for its headers. Throws a Problem for every other one. */
export async function responseOf<Data>(fetched: Fetched<Data>): Promise<{ data: Data; response: Response }> {
  try {
    const { data, error, response } = await fetched
    if (!response.ok) throw Problem.read(response.status, error)
    return { data: data as Data, response }
  } catch (error) {
    // An aborted request is not a failure: the caller has aborted it.
    if (error instanceof Problem || (error instanceof DOMException && error.name === 'AbortError')) throw error
    throw Problem.network()
  }
}

/** The data of a successful response. Throws a Problem for every other one. */
export async function dataOf<Data>(fetched: Fetched<Data>): Promise<Data> {
  return (await responseOf(fetched)).data
}
