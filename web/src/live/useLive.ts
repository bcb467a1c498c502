import { onScopeDispose } from 'vue'

import type { LiveEvents } from './events'

export type LiveHandlers = {
  [Name in Exclude<keyof LiveEvents, 'resync'>]?: (data: LiveEvents[Name]) => void
} & {
  /** What was read before this time may be out of date. */
  resync?: (before: number) => void
}

const subscribers = new Set<LiveHandlers>()

/** Calls the handlers for changes on the server as long as the component is mounted. */
export function useLive(handlers: LiveHandlers): void {
  subscribers.add(handlers)
  onScopeDispose(() => subscribers.delete(handlers))
}

export function publish<Name extends keyof LiveHandlers>(
  name: Name,
  data: Parameters<NonNullable<LiveHandlers[Name]>>[0],
): void {
  for (const handlers of subscribers) (handlers[name] as ((value: typeof data) => void) | undefined)?.(data)
}
