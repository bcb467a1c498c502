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
