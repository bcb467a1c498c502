// Where the user is signed in.
import { api, dataOf, tokens } from '../api/client'
import { queryClient } from '../api/query'
import { claims } from '../api/tokens'
import type { Session } from '../api/types'

export const SESSION_LIST = ['sessions'] as const

export function fetchSessions(cursor: string | undefined, signal: AbortSignal) {
  return dataOf(api.GET('/auth/sessions', { params: { query: { cursor } }, signal }))
}

export async function endSession(id: Session['id']): Promise<void> {
  try {
    await dataOf(api.DELETE('/auth/sessions/{id}', { params: { path: { id } } }))
  } finally {
    void queryClient.invalidateQueries({ queryKey: SESSION_LIST })
  }
}

/** The lifetime of an access token in minutes. An ended session still has one for so long. */
export async function accessMinutes(): Promise<number> {
  const { iat = 0, exp = 0 } = claims((await tokens.access()) ?? '')
  return Math.max(1, Math.ceil((exp - iat) / 60))
}

/** The first match counts, because browsers also name those that they descend from. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/KAKAOTALK/i, 'KakaoTalk'],
  [/Whale\//, 'Whale'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Edg(A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/(Firefox|FxiOS)\//, 'Firefox'],
  [/(Chrome|CriOS)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
]
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/CrOS/, 'ChromeOS'],
  [/Mac OS X/, 'macOS'],
  [/Linux/, 'Linux'],
]

/** A user agent in plain words: `Chrome · Windows`. Those of programs stay as they are. */
export function deviceName(userAgent: string): string {
  const names = [BROWSERS, SYSTEMS].map((known) => known.find(([pattern]) => pattern.test(userAgent))?.[1])
  return names.filter(Boolean).join(' · ') || userAgent
}
