// What an admin can do with a user.
import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { User } from '../api/types'
import { withAdvice } from './lastAdmin'

/** Actions that are asked for once: a role, or leaving and coming back. */
export type UserAction = 'admin' | 'member' | 'remove' | 'restore'

/** True if the personal data of the user was erased. Nothing can be done with such a user. */
export function isErased(user: User): boolean {
  return user.is_deleted && user.email.endsWith('@erased.invalid')
}

export async function actOn(user: User, action: UserAction): Promise<void> {
  const params = { path: { id: user.id } }
  try {
    if (action === 'remove') await dataOf(api.DELETE('/auth/users/{id}', { params }))
    else if (action === 'restore') await dataOf(api.POST('/auth/users/{id}/restore', { params }))
    else await dataOf(api.PATCH('/auth/users/{id}', { params, body: { member_type: action } }))
  } catch (error) {
    throw withAdvice(error)
  } finally {
    // After an error, too: it may be that somebody else has changed the user.
    void queryClient.invalidateQueries({ queryKey: ['users'] })
  }
}

export function createPasswordLink(user: User) {
  return dataOf(api.POST('/auth/users/{id}/password-reset', { params: { path: { id: user.id } } }))
}
