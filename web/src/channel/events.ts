import type { EventType } from '../api/types'
import { t } from '../i18n'

export const EVENTS: readonly EventType[] = [
  'order.created',
  'order.approved',
  'order.ordered',
  'order.shipping',
  'order.completed',
  'order.canceled',
  'order.arrival_changed',
  'snack.registered',
  'budget.reached',
]

/** The events of a new channel: what most people want to know. */
export const USUAL_EVENTS: readonly EventType[] = [
  'order.created',
  'order.approved',
  'order.completed',
  'order.canceled',
]

/** The name of an event, or of a test. An event of a newer server is shown as it is. */
export function eventName(event: string): string {
  const known: readonly string[] = [...EVENTS, 'test']
  return known.includes(event) ? t(`channels.event.${event.replace('.', '_')}`) : event
}
