import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { Notification } from '../api/types'
import { NOTIFICATIONS, useUnread } from './unread'

/** Marks one notification as read. */
export async function readNotification(id: number): Promise<void> {
  await dataOf(api.PUT('/notifications/read', { body: { ids: [id] } }))
  await useUnread().refreshUnread()
}

export async function readAllNotifications(): Promise<void> {
  await dataOf(api.PUT('/notifications/read', { body: { all: true } }))
  useUnread().setUnread(0)
  await queryClient.invalidateQueries({ queryKey: NOTIFICATIONS })
}

/** The page that a notification is about. */
export function pageOf(notification: Notification): string {
  if (notification.order) return `/orders/${notification.order.uid}`
  return notification.kind === 'budget_reached' ? '/budgets' : '/profile'
}
