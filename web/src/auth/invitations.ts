import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { Invitation, InvitationFields, Page } from '../api/types'
import { addMessages } from '../i18n'
import en from '../i18n/invitations.en.json'
import ko from '../i18n/invitations.ko.json'

addMessages({ ko, en })

export const INVITATIONS = ['invitations']

const invalidate = () => queryClient.invalidateQueries({ queryKey: INVITATIONS })

export function fetchInvitations(cursor: string | undefined, signal: AbortSignal): Promise<Page<Invitation>> {
  return dataOf(api.GET('/auth/invitations', { params: { query: { cursor } }, signal }))
}

/** Only this response has the link. */
export async function createInvitation(fields: InvitationFields): Promise<Invitation> {
  const invitation = await dataOf(api.POST('/auth/invitations', { body: fields }))
  void invalidate()
  return invitation
}

export async function withdrawInvitation(id: number): Promise<void> {
  try {
    await dataOf(api.DELETE('/auth/invitations/{id}', { params: { path: { id } } }))
  } finally {
    // After an error, too: the person may have signed up.
    void invalidate()
  }
}
