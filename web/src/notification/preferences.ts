import { queryOptions } from '@tanstack/vue-query'

import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { NotificationPreferences } from '../api/types'

export const preferencesQuery = queryOptions({
  queryKey: ['notification-preferences'],
  queryFn: ({ signal }) => dataOf(api.GET('/notifications/preferences', { signal })),
})

/** Mails are written in the present language from then on. */
export async function savePreferences(preferences: NotificationPreferences): Promise<void> {
  const saved = await dataOf(api.PUT('/notifications/preferences', { body: preferences }))
  queryClient.setQueryData(preferencesQuery.queryKey, saved)
}

/** Tells the server the present language, if the user gets mails. */
export async function updateMailLanguage(): Promise<void> {
  const { email } = await queryClient.fetchQuery({ ...preferencesQuery, staleTime: 0 })
  if (email !== 'none') await savePreferences({ email })
}
